//! Guests' own requests: sent to granted hosts only, over connections to checked addresses, with
//! bounded time and size. Redirects are the guest's business: each hop is a request of its own and
//! needs its own grant.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, header::CONTENT_LENGTH};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, timeout_at},
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, io::TokioIo};

use super::{
    connect::{self, Connection},
    grant::{Grants, InvalidGrant},
};
use crate::{capabilities::OutboundPolicy, quota::Quota};

/// Largest head of a response, in bytes (hyper's least is 8 KiB).
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What [`send`] brings: the response, and the connection to be driven beside its body.
pub(super) type Sent = Result<(Response<WasiBody>, Io), Error>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The way out of one component on this host.
pub(crate) struct Outbound {
    policy: OutboundPolicy,
    grants: Grants,
    slots: Arc<Semaphore>,
    quota: Arc<Quota>,
}

impl Outbound {
    pub(crate) fn new(
        policy: OutboundPolicy,
        quota: Arc<Quota>,
    ) -> Result<Arc<Self>, InvalidGrant> {
        let grants = Grants::new(&policy.hosts)?;
        let slots = Arc::new(Semaphore::new(policy.concurrency.min(Semaphore::MAX_PERMITS)));
        Ok(Arc::new(Self { policy, grants, slots, quota }))
    }
}

/// Sends a request. Errors name their cause for the guest; none is retried.
pub(super) async fn send(
    outbound: Arc<Outbound>,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
    deadline: Option<std::time::Instant>,
) -> Sent {
    let policy = &outbound.policy;
    let target = outbound.grants.check(request.uri()).ok_or(Error::HttpRequestDenied)?;
    let options = options.unwrap_or_default();
    let latest = |limit: Duration, wanted: Option<Duration>| {
        let own = Instant::now() + wanted.map_or(limit, |wanted| wanted.min(limit));
        deadline.map_or(own, |deadline| own.min(deadline.into()))
    };

    let connect_by = latest(policy.connect_timeout, options.connect_timeout);
    let patience = connect_by.saturating_duration_since(Instant::now());
    let pause = outbound.quota.outbound.take_within(1, patience);
    sleep(pause.ok_or(Error::ConnectionLimitReached)?).await;
    let slot = timeout_at(connect_by, Arc::clone(&outbound.slots).acquire_owned())
        .await
        .map_err(|_| Error::ConnectionLimitReached)?
        .map_err(|_| Error::ConnectionLimitReached)?;
    let connection = timeout_at(connect_by, connect::open(&target, &policy.addresses))
        .await
        .map_err(|_| Error::ConnectionTimeout)??;

    let answer_by = latest(policy.response_timeout, options.first_byte_timeout);
    let (response, io) =
        timeout_at(answer_by, exchange(connection, request, policy.max_body_bytes))
            .await
            .map_err(|_| Error::HttpResponseTimeout)??;
    let declared = response.headers().get(CONTENT_LENGTH);
    let declared: Option<u64> = declared.and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > policy.max_body_bytes) {
        return Err(Error::HttpResponseBodySize(declared));
    }
    let pause = options
        .between_bytes_timeout
        .map_or(policy.response_timeout, |wanted| wanted.min(policy.response_timeout));
    let response = response.map(|body| {
        let body = body.map_err(Error::Hyper);
        let timer = Box::pin(tokio::time::sleep(pause));
        let timed = Timed { body, pause, timer, _slot: slot };
        bounded(timed, policy.max_body_bytes, Error::HttpResponseBodySize).boxed_unsync()
    });
    Ok((response, io))
}

/// One request and its response's head on a connection.
async fn exchange(
    connection: Connection,
    request: Request<WasiBody>,
    max_body_bytes: u64,
) -> Result<(Response<hyper::body::Incoming>, Io), Error> {
    let (mut parts, body) = request.into_parts();
    // Origin form (RFC 9112 section 3.2.1); the authority is in the Host header.
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = parts.uri.into_parts().path_and_query;
    parts.uri = Uri::from_parts(uri).map_err(|_| Error::HttpRequestUriInvalid)?;
    let body = bounded(body, max_body_bytes, Error::HttpRequestBodySize);
    let (mut sender, driver) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(connection))
        .await?;
    let mut driver = Box::pin(driver);
    let mut response = std::pin::pin!(sender.send_request(Request::from_parts(parts, body)));
    let mut running = true;
    let response = std::future::poll_fn(|cx| {
        // The connection moves the request along; when it ends early, the response tells why.
        if running && driver.as_mut().poll(cx).is_ready() {
            running = false;
        }
        response.as_mut().poll(cx)
    })
    .await?;
    let io: Io = if running {
        Box::new(async move { driver.await.map_err(Error::Hyper) })
    } else {
        Box::new(std::future::ready(Ok(())))
    };
    Ok((response, io))
}

/// A body that errs when it is longer than `limit` bytes.
fn bounded<B>(body: B, limit: u64, error: fn(Option<u64>) -> Error) -> Bounded<B> {
    Bounded { body, left: limit, limit, error }
}

struct Bounded<B> {
    body: B,
    left: u64,
    limit: u64,
    error: fn(Option<u64>) -> Error,
}

impl<B> http_body::Body for Bounded<B>
where
    B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err((self.error)(Some(self.limit))))),
            }
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body that errs when it pauses for too long, and that holds the request's slot.
struct Timed<B> {
    body: B,
    pause: Duration,
    timer: Pin<Box<Sleep>>,
    _slot: OwnedSemaphorePermit,
}

impl<B> http_body::Body for Timed<B>
where
    B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if poll.is_ready() {
            let next = Instant::now() + self.pause;
            self.timer.as_mut().reset(next);
            return poll;
        }
        self.timer.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
