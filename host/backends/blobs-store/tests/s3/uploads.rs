//! Uploads that end early, and how much of one is held at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use pingtalk_blobs_store::S3Blobs;
use pingtalk_capabilities::{
    blobs::{BlobError, Blobs, Bounds, MAX_BLOB_BYTES},
    calls::{Body, BodyError},
};
use pingtalk_contract::tenant;
use tokio::{sync::Semaphore, time::timeout};

use crate::server::S3Server;

const FRAME_BYTES: usize = 64 * 1024;
const PART_BYTES: usize = 5 * 1024 * 1024;

fn any() -> Bounds {
    Bounds { max_size: MAX_BLOB_BYTES, accept: Vec::new() }
}

/// So many frames, counted as they are taken.
fn counted(frames: usize, taken: &Arc<AtomicUsize>) -> Body {
    let taken = Arc::clone(taken);
    let frames = (0..frames).map(move |_| {
        taken.fetch_add(FRAME_BYTES, Ordering::SeqCst);
        Ok::<_, BodyError>(Frame::data(Bytes::from(vec![7; FRAME_BYTES])))
    });
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

async fn opened(server: &S3Server) -> Arc<dyn Blobs> {
    S3Blobs::new(server.config()).unwrap().open(&tenant()).await.unwrap()
}

/// Aborting happens in the background; this waits until the server holds nothing unfinished.
async fn nothing_unfinished(server: &S3Server) {
    let cleaned = async {
        while server.unfinished() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), cleaned).await.expect("parts are left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_two_parts_are_held() {
    let mut server = S3Server::start().await;
    server.gate.forget_permits(Semaphore::MAX_PERMITS);
    let blobs = opened(&server).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let frames = usize::try_from(MAX_BLOB_BYTES).unwrap() / FRAME_BYTES;
    let content = counted(frames, &taken);
    let put = tokio::spawn({
        let blobs = Arc::clone(&blobs);
        async move { blobs.put("c", "n", content, any()).await }
    });
    for part in 1..=7 {
        server.parts.recv().await.unwrap();
        // While the server takes its time, the source is not read on.
        let read = taken.load(Ordering::SeqCst);
        assert!(read <= part * PART_BYTES + FRAME_BYTES, "{read} bytes read at part {part}");
        server.gate.add_permits(1);
    }
    let info = put.await.unwrap().unwrap();
    assert_eq!(info.size, MAX_BLOB_BYTES);
    nothing_unfinished(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_is_aborted() {
    let mut server = S3Server::start().await;
    let blobs = opened(&server).await;
    let taken = Arc::default();
    let bounds = Bounds { max_size: 12 * 1024 * 1024, accept: Vec::new() };
    let put = blobs.put("c", "n", counted(400, &taken), bounds).await;
    assert_eq!(put, Err(BlobError::TooLarge));
    server.parts.recv().await.expect("a part had arrived");
    nothing_unfinished(&server).await;
    assert_eq!(blobs.head("c", "n").await, Err(BlobError::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_upload_is_aborted() {
    let mut server = S3Server::start().await;
    server.gate.forget_permits(Semaphore::MAX_PERMITS);
    server.gate.add_permits(1);
    let blobs = opened(&server).await;
    let taken = Arc::default();
    let content = counted(400, &taken);
    let put = tokio::spawn({
        let blobs = Arc::clone(&blobs);
        async move { blobs.put("c", "n", content, any()).await }
    });
    // The first part is there, the second on its way, when the caller goes away.
    server.parts.recv().await.unwrap();
    server.parts.recv().await.unwrap();
    assert!(server.unfinished() > 0);
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    nothing_unfinished(&server).await;
    assert_eq!(blobs.head("c", "n").await, Err(BlobError::NotFound));
}

/// Who fetches an object past the host is told what it is, and not to run it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_labelled() {
    use object_store::{Attribute, GetOptions, ObjectStore, aws::AmazonS3Builder, path::Path};

    let server = S3Server::start().await;
    let tenant = tenant();
    let mut config = server.config();
    config.public_base_url = Some("https://cdn.example.com/".to_owned());
    let blobs = S3Blobs::new(config).unwrap().open(&tenant).await.unwrap();
    let raw = AmazonS3Builder::new()
        .with_bucket_name(crate::server::BUCKET)
        .with_endpoint(format!("http://{}", server.address))
        .with_access_key_id(crate::server::ACCESS_KEY)
        .with_secret_access_key(crate::server::SECRET_KEY)
        .with_allow_http(true)
        .build()
        .unwrap();
    let page = Bytes::from_static(b"<!DOCTYPE html><script>alert(1)</script>");
    for (name, content, content_type, shown) in [
        ("dir/p.html", Bytes::from_static(b"\x89PNG\r\n\x1a\n...."), "image/png", "inline"),
        ("dir/p.jpg", page, "text/html", "attachment"),
        ("dir/large", vec![0; 2 * PART_BYTES].into(), "application/octet-stream", "attachment"),
    ] {
        let body = http_body_util::Full::new(content).map_err(|never| match never {});
        let info = blobs.put("c", name, body.boxed_unsync(), any()).await.unwrap();
        let key = format!("apps/chat/tenants/{tenant}/blobs/c/{}", name.replace('/', "+/"));
        let url = format!("https://cdn.example.com/{}", key.replace('+', "%2B"));
        assert_eq!((info.url, info.content_type.as_str()), (url, content_type));
        let options = GetOptions { head: true, ..Default::default() };
        let found = raw.get_opts(&Path::parse(&key).unwrap(), options).await.unwrap();
        let label = |attribute| found.attributes.get(&attribute).unwrap().to_string();
        assert_eq!(label(Attribute::ContentType), content_type);
        assert_eq!(label(Attribute::ContentDisposition), shown);
    }
}
