//! The adapter for blobs as a backend.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, BlobInfo, Blobs, BlobsBackend, Bounds},
    calls::Body,
};
use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use wasmtime::{
    Store, StoreContextMut,
    component::{Accessor, Source, StreamConsumer, StreamReader, StreamResult},
};

use crate::{
    bindings::blobs::{Blobs as Bindings, exports::pingtalk::blobs::store as wit},
    instance::{Adapter, Given, State},
    manifest,
};

/// The adapter, an application for each tenant.
pub struct SpinBlobs {
    folder: TempDir,
}

impl SpinBlobs {
    /// A backend whose databases end with it.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<dyn BlobsBackend> {
        let folder = tempfile::tempdir().unwrap();
        manifest::write(folder.path(), &[]);
        Arc::new(Self { folder })
    }
}

#[async_trait]
impl BlobsBackend for SpinBlobs {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Blobs>, BlobError> {
        let folder = self.folder.path().join(tenant.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        let bind = async |store: &mut Store<State>,
                          component: &wasmtime::component::Component,
                          linker: &wasmtime::component::Linker<State>| {
            Bindings::instantiate_async(store, component, linker).await
        };
        let adapter = Adapter::get("spin_blobs");
        let manifest = self.folder.path().to_owned();
        let given = Given { manifest, folder, ..Given::default() };
        let started = adapter.start(given, bind).await;
        Ok(Arc::new(Handle(AsyncMutex::new(started))))
    }
}

struct Handle(AsyncMutex<(Store<State>, Bindings)>);

/// Calls an export.
macro_rules! call {
    ($handle:expr, $function:ident($($argument:expr),*)) => {{
        let mut instance = $handle.0.lock().await;
        let (store, bindings) = &mut *instance;
        let interface = bindings.pingtalk_blobs_store();
        let called = store
            .run_concurrent(async |accessor| interface.$function(accessor, $($argument),*).await)
            .await;
        called.and_then(|result| result).expect("the adapter does not trap").map_err(error)
    }};
}

#[async_trait]
impl Blobs for Handle {
    async fn put(
        &self,
        container: &str,
        name: &str,
        mut content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        // What comes beyond the bound need not be read to be refused.
        let enough = usize::try_from(bounds.max_size).unwrap().saturating_add(1);
        let mut bytes = Vec::new();
        while bytes.len() < enough {
            match content.frame().await {
                Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                // A component takes the call back then: there is no end to be seen.
                Some(Err(error)) => return Err(BlobError::Unavailable(error.to_string())),
                None => break,
            }
        }
        let (container, name) = (container.to_owned(), name.to_owned());
        let bounds = wit::Bounds { max_size: bounds.max_size, accept: bounds.accept };
        let mut instance = self.0.lock().await;
        let (store, bindings) = &mut *instance;
        let content = StreamReader::new(&mut *store, bytes).unwrap();
        let interface = bindings.pingtalk_blobs_store();
        let called = store
            .run_concurrent(async |accessor| {
                interface.call_put(accessor, container, name, content, bounds).await
            })
            .await;
        let put = called.and_then(|result| result).expect("the adapter does not trap");
        put.map(info).map_err(error)
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let (container, name) = (container.to_owned(), name.to_owned());
        let mut instance = self.0.lock().await;
        let (store, bindings) = &mut *instance;
        let interface = bindings.pingtalk_blobs_store();
        let called = store
            .run_concurrent(async |accessor| {
                let found = interface.call_get(accessor, container, name).await?;
                Ok(match found {
                    Ok((info, content, mut end)) => {
                        let content = collect(accessor, content).await?;
                        end.close_with(accessor)?;
                        Ok((info, content))
                    }
                    Err(error) => Err(error),
                })
            })
            .await;
        let found: wasmtime::Result<_> = called.and_then(|result| result);
        let (found, content) = found.expect("the adapter does not trap").map_err(error)?;
        let content = Full::new(Bytes::from(content));
        Ok((info(found), content.map_err(|never: Infallible| match never {}).boxed_unsync()))
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let (container, name) = (container.to_owned(), name.to_owned());
        call!(self, call_head(container, name)).map(info)
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        let (container, name) = (container.to_owned(), name.to_owned());
        call!(self, call_delete(container, name))
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        // Spin bounds what its databases hold; the adapter counts nothing.
        Ok(None)
    }
}

/// Reads a guest's stream to its end.
async fn collect(
    accessor: &Accessor<State>,
    content: StreamReader<u8>,
) -> wasmtime::Result<Vec<u8>> {
    let (ended, end) = oneshot::channel();
    let collected = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector { collected: Arc::clone(&collected), _ended: ended };
    accessor.with(|store| content.pipe(store, collector))?;
    // Its end is that it is dropped.
    let _ = end.await;
    let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *collected))
}

struct Collector {
    collected: Arc<Mutex<Vec<u8>>>,
    _ended: oneshot::Sender<()>,
}

impl<D> StreamConsumer<D> for Collector {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let piece = source.remaining();
        let length = piece.len();
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(piece);
        source.mark_read(length);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

fn info(info: wit::Info) -> BlobInfo {
    BlobInfo { size: info.size, content_type: info.content_type, url: info.url }
}

fn error(error: wit::Error) -> BlobError {
    match error {
        wit::Error::Denied(what) => BlobError::Denied(what),
        wit::Error::Invalid(why) => BlobError::Invalid(why),
        wit::Error::TooLarge => BlobError::TooLarge,
        wit::Error::Unacceptable(found) => BlobError::Unacceptable(found),
        wit::Error::NotFound => BlobError::NotFound,
        wit::Error::QuotaExceeded => BlobError::QuotaExceeded,
        wit::Error::Unavailable(why) => BlobError::Unavailable(why),
    }
}
