//! An S3 server in the test's own process: the protocol and its signatures by the crate `s3s`, the
//! storage by `s3s-fs`, over real connections.
//!
//! It adds what the storage lacks: keys as long as S3's (a file's name is shorter), and the error
//! for a bucket that isn't there. And it can stop where a test has to look.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use pingtalk_blobs_store::S3Config;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::*,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
};

pub(crate) const BUCKET: &str = "pictures";
pub(crate) const ACCESS_KEY: &str = "the-access-key";
pub(crate) const SECRET_KEY: &str = "the-secret-key";

/// A server with one bucket. Dropping it closes its connections and removes what it holds.
pub(crate) struct S3Server {
    pub(crate) address: String,
    /// Says when a part of an upload begins to arrive.
    pub(crate) parts: mpsc::UnboundedReceiver<()>,
    /// Parts are taken in while there are permits.
    pub(crate) gate: Arc<Semaphore>,
    folder: tempfile::TempDir,
    listening: JoinHandle<()>,
}

impl S3Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let (started, parts) = mpsc::unbounded_channel();
        let mut service = S3ServiceBuilder::new(Storage {
            files: FileSystem::new(folder.path()).unwrap(),
            root: folder.path().to_owned(),
            gate: Arc::clone(&gate),
            started,
            keys: Mutex::default(),
        });
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let listening = tokio::spawn(listen(listener, service.build()));
        Self { address, parts, gate, folder, listening }
    }

    /// Settings with which this server is content.
    pub(crate) fn config(&self) -> S3Config {
        config(&self.address)
    }

    /// How many objects the bucket holds.
    pub(crate) fn objects(&self) -> usize {
        std::fs::read_dir(self.folder.path().join(BUCKET)).unwrap().count()
    }

    /// How many parts and uploads are unfinished.
    pub(crate) fn unfinished(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
                name.starts_with(".upload") || name.contains(".upload-")
            })
            .count()
    }
}

/// Settings for a server at this address.
pub(crate) fn config(address: &str) -> S3Config {
    let mut config = S3Config::new(BUCKET, ACCESS_KEY, SECRET_KEY);
    config.endpoint = Some(format!("http://{address}"));
    config.prefix = "apps/chat".to_owned();
    config
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(serve(connection, service.clone()));
    }
}

async fn serve(connection: TcpStream, service: S3Service) {
    let http = auto::Builder::new(TokioExecutor::new());
    // A test that ends closes its connections in any state.
    drop(http.serve_connection(TokioIo::new(connection), service).await);
}

struct Storage {
    files: FileSystem,
    root: PathBuf,
    gate: Arc<Semaphore>,
    started: mpsc::UnboundedSender<()>,
    /// The keys of the names under which objects are stored.
    keys: Mutex<HashMap<String, String>>,
}

impl Storage {
    fn check(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The name under which the object of a key is stored.
    fn name(&self, key: &str) -> String {
        let digest = Sha256::digest(key.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.keys.lock().unwrap().insert(name.clone(), key.to_owned());
        name
    }
}

/// Makes each operation check the bucket and store under a name that fits any file system.
macro_rules! stored {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        #[async_trait]
        impl S3 for Storage {
            $(
                async fn $operation(
                    &self,
                    mut request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    self.check(&request.input.bucket)?;
                    request.input.key = self.name(&request.input.key);
                    self.files.$operation(request).await
                }
            )*

            async fn list_objects_v2(
                &self,
                mut request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                self.check(&request.input.bucket)?;
                let prefix = request.input.prefix.take().unwrap_or_default();
                let mut answer = self.files.list_objects_v2(request).await?;
                let keys = self.keys.lock().unwrap();
                answer.output.contents.iter_mut().flatten().for_each(|object| {
                    object.key = object.key.as_ref().and_then(|name| keys.get(name)).cloned();
                });
                if let Some(objects) = &mut answer.output.contents {
                    objects.retain(|object| {
                        object.key.as_ref().is_some_and(|key| key.starts_with(&prefix))
                    });
                }
                answer.output.prefix = Some(prefix);
                Ok(answer)
            }

            async fn upload_part(
                &self,
                request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                let _ = self.started.send(());
                let permit = self.gate.acquire().await;
                permit.unwrap().forget();
                self.files.upload_part(request).await
            }
        }
    };
}

stored! {
    put_object: PutObjectInput => PutObjectOutput;
    get_object: GetObjectInput => GetObjectOutput;
    head_object: HeadObjectInput => HeadObjectOutput;
    delete_object: DeleteObjectInput => DeleteObjectOutput;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput;
}
