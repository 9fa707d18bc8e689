//! Takes a guest's response body as it is written, instead of when the server asks for it.
//!
//! The stock `response.new` leaves the body in the guest's stream until the call has returned and
//! somebody reads it: two more rounds through the guest for every response. Here the stream is
//! drained into a bounded buffer from the start, so that the guest's writes finish at once and a
//! small body is complete, with a known length, when the call returns. One write sends it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use wasmtime::{
    StoreContextMut,
    component::{
        FutureConsumer, FutureReader, Linker, Resource, Source, StreamConsumer, StreamReader,
        StreamResult,
    },
};
use wasmtime_wasi_http::{
    Error, FieldMap, WasiHttpView as _,
    p3::{Response, bindings::http::types::ErrorCode},
};

use crate::state::State;

/// What may wait for its reader, in bytes; then the guest waits.
const BUFFER_BYTES: usize = 64 * 1024;

type Trailers = Result<Option<Resource<FieldMap>>, ErrorCode>;

/// Replaces the stock `response.new`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker
        .instance("wasi:http/types@0.3.0")?
        .func_wrap("[static]response.new", |store, (headers, contents, trailers)| {
            new_response(store, headers, contents, trailers)
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

type New = ((Resource<Response>, FutureReader<Result<(), ErrorCode>>),);

fn new_response(
    mut store: StoreContextMut<'_, State>,
    headers: Resource<FieldMap>,
    contents: Option<StreamReader<u8>>,
    trailers: FutureReader<Trailers>,
) -> wasmtime::Result<New> {
    let mut headers = store.data_mut().http().table.delete(headers)?;
    headers.set_immutable();
    let pipe = Arc::new(Pipe::default());
    match contents {
        Some(contents) => contents.pipe(&mut store, Contents(Arc::clone(&pipe)))?,
        None => pipe.lock().contents = Stage::Complete,
    }
    trailers.pipe(&mut store, TrailersOnce(Arc::clone(&pipe)))?;
    let http = store.data_mut().http();
    let piped = http::Response::new(PipedBody(pipe));
    let (mut response, sent) = Response::from_http(http.hooks, piped);
    response.status = StatusCode::OK;
    response.headers = headers;
    let response = http.table.push(response)?;
    let sent = FutureReader::new(&mut store, async move {
        wasmtime::error::Ok(sent.await.map_err(|error| match error {
            Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(size),
            error => ErrorCode::InternalError(Some(error.to_string())),
        }))
    })?;
    Ok(((response, sent),))
}

/// Between the guest's stream and the server's body.
#[derive(Default)]
struct Pipe(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    buffer: BytesMut,
    contents: Stage,
    trailers: Stage,
    /// What the trailers brought: fields or an error.
    last: Option<Result<HeaderMap, ErrorCode>>,
    /// Nobody reads any more.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Complete,
    /// It went away without a value.
    Cut,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Everything there will be is in the buffer, and no trailers follow.
    fn is_whole(&self) -> bool {
        self.contents == Stage::Complete && self.trailers == Stage::Complete && self.last.is_none()
    }
}

/// Takes the guest's bytes.
struct Contents(Arc<Pipe>);

impl<D> StreamConsumer<D> for Contents {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut pipe = self.0.lock();
        if pipe.closed {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        let room = BUFFER_BYTES.saturating_sub(pipe.buffer.len());
        if room == 0 {
            if finish {
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let taken = bytes.len();
        pipe.buffer.extend_from_slice(bytes);
        pipe.wake_reader();
        drop(pipe);
        source.mark_read(taken);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // Whether the guest finished or died shows in the trailers.
        let mut pipe = self.0.lock();
        pipe.contents = Stage::Complete;
        pipe.wake_reader();
    }
}

/// Takes the guest's trailers.
struct TrailersOnce(Arc<Pipe>);

impl FutureConsumer<State> for TrailersOnce {
    type Item = Trailers;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<State>,
        mut source: Source<'_, Trailers>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut trailers = None;
        source.read(&mut store, &mut trailers)?;
        let last = match trailers {
            Some(Ok(None)) => None,
            Some(Ok(Some(fields))) => {
                Some(Ok(store.data_mut().http().table.delete(fields)?.into()))
            }
            Some(Err(code)) => Some(Err(code)),
            None => return Poll::Ready(Err(wasmtime::format_err!("trailers without a value"))),
        };
        let mut pipe = self.0.lock();
        pipe.last = last;
        pipe.trailers = Stage::Complete;
        pipe.wake_reader();
        Poll::Ready(Ok(()))
    }
}

impl Drop for TrailersOnce {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        if pipe.trailers == Stage::Open {
            pipe.trailers = Stage::Cut;
            pipe.wake_reader();
        }
    }
}

/// The server's side.
struct PipedBody(Arc<Pipe>);

impl http_body::Body for PipedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut pipe = self.0.lock();
        if !pipe.buffer.is_empty() {
            let bytes = pipe.buffer.split().freeze();
            pipe.wake_writer();
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if pipe.contents == Stage::Complete {
            match pipe.trailers {
                Stage::Open => {}
                Stage::Cut => return Poll::Ready(Some(Err(Error::ConnectionTerminated))),
                Stage::Complete => {
                    return Poll::Ready(pipe.last.take().map(|last| match last {
                        Ok(fields) => Ok(Frame::trailers(fields)),
                        Err(code) => Err(Error::from(code)),
                    }));
                }
            }
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let pipe = self.0.lock();
        pipe.is_whole() && pipe.buffer.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let pipe = self.0.lock();
        let buffered = pipe.buffer.len() as u64;
        if pipe.is_whole() {
            return SizeHint::with_exact(buffered);
        }
        let mut hint = SizeHint::new();
        hint.set_lower(buffered);
        hint
    }
}

impl Drop for PipedBody {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        pipe.closed = true;
        pipe.wake_writer();
    }
}
