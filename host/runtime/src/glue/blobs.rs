//! `pingtalk:blobs/store`: streams both ways, without ever holding a whole blob.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use pingtalk_capabilities::{
    blobs::{BlobError, Blobs},
    calls::{Body, BodyError},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::{
    StoreContextMut,
    component::{
        Accessor, Destination, FutureReader, Source, StreamConsumer, StreamProducer, StreamReader,
        StreamResult,
    },
};

use super::{LATE, MISSING};
use crate::{
    bindings::pingtalk::blobs::store::{self, Bounds, Error, Info},
    state::{Host, Import, State, import},
};

/// Most bytes that cross the boundary at once.
const CHUNK_BYTES: usize = 64 * 1024;

fn blobs(import: &Import) -> Result<&Arc<dyn Blobs>, Error> {
    import.capabilities().blobs.as_ref().ok_or_else(|| Error::Denied(MISSING.to_owned()))
}

fn late() -> BlobError {
    BlobError::Unavailable(LATE.to_owned())
}

impl store::Host for &mut State {}

impl store::HostWithStore<State> for Host {
    async fn put(
        accessor: &Accessor<State, Self>,
        container: String,
        name: String,
        mut content: StreamReader<u8>,
        bounds: Bounds,
    ) -> wasmtime::Result<Result<Info, Error>> {
        let import = import(accessor, "blobs.put")?;
        let blobs = match blobs(&import) {
            Ok(blobs) => blobs,
            Err(error) => {
                content.close_with(accessor)?;
                return Ok(Err(error));
            }
        };
        // One chunk on its way: the guest waits while the store writes.
        let (sender, receiver) = mpsc::channel(1);
        accessor.with(|store| content.pipe(store, Upload { sender: PollSender::new(sender) }))?;
        let body = Body::new(Received { receiver });
        let stored = blobs.put(&container, &name, body, bounds.into());
        Ok(import.within(late, stored).await.map(Into::into).map_err(Into::into))
    }

    async fn get(
        accessor: &Accessor<State, Self>,
        container: String,
        name: String,
    ) -> wasmtime::Result<Result<(Info, StreamReader<u8>, FutureReader<Result<(), Error>>), Error>>
    {
        let import = import(accessor, "blobs.get")?;
        let blobs = match blobs(&import) {
            Ok(blobs) => blobs,
            Err(error) => return Ok(Err(error)),
        };
        let (info, body) = match import.within(late, blobs.get(&container, &name)).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error.into())),
        };
        let (ended, end) = oneshot::channel();
        let (stream, end) = accessor.with(|mut store| {
            let stream = StreamReader::new(&mut store, Download { body, ended: Some(ended) })?;
            let end = FutureReader::new(&mut store, async move {
                wasmtime::error::Ok(match end.await {
                    Ok(end) => end,
                    // The guest dropped the stream before its end.
                    Err(_) => Ok(()),
                })
            })?;
            wasmtime::error::Ok((stream, end))
        })?;
        Ok(Ok((info.into(), stream, end)))
    }

    async fn head(
        accessor: &Accessor<State, Self>,
        container: String,
        name: String,
    ) -> wasmtime::Result<Result<Info, Error>> {
        let import = import(accessor, "blobs.head")?;
        let blobs = match blobs(&import) {
            Ok(blobs) => blobs,
            Err(error) => return Ok(Err(error)),
        };
        let info = import.within(late, blobs.head(&container, &name)).await;
        Ok(info.map(Into::into).map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<State, Self>,
        container: String,
        name: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "blobs.delete")?;
        let blobs = match blobs(&import) {
            Ok(blobs) => blobs,
            Err(error) => return Ok(Err(error)),
        };
        Ok(import.within(late, blobs.delete(&container, &name)).await.map_err(Into::into))
    }
}

/// Takes a guest's stream apart into chunks.
struct Upload {
    sender: PollSender<Bytes>,
}

impl<D> StreamConsumer<D> for Upload {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.sender.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {}
            // The store wants no more of it.
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let chunk = Bytes::copy_from_slice(bytes.get(..CHUNK_BYTES).unwrap_or(bytes));
        let taken = chunk.len();
        if taken > 0 && self.sender.send_item(chunk).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        source.mark_read(taken);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// The other end of an [`Upload`].
struct Received {
    receiver: mpsc::Receiver<Bytes>,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.receiver.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// Feeds a body to a guest.
struct Download {
    body: Body,
    ended: Option<oneshot::Sender<Result<(), Error>>>,
}

impl<D> StreamProducer<D> for Download {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                other => ready!(other),
            };
            let end = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if chunk.is_empty() => continue,
                    Ok(chunk) => {
                        destination.set_buffer(chunk);
                        return Poll::Ready(Ok(StreamResult::Completed));
                    }
                    // A blob has no trailers.
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(Error::Unavailable(error.to_string())),
                None => Ok(()),
            };
            if let Some(ended) = self.ended.take() {
                // Nobody listens when the guest dropped its end.
                let _ = ended.send(end);
            }
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
    }
}
