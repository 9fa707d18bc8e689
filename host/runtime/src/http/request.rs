//! A request on its way to a guest, in a form that can be handed to a second instance when the
//! first one died before it used any of it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderMap, Method,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::{Body as _, Frame, SizeHint};
use pingtalk_capabilities::calls::{Body, BodyError};
use wasmtime_wasi_http::{Error, FieldMap};

use super::hooks::InboundFilter;
use crate::ticket::Ticket;

/// A request. Cloning shares the body: only one clone may be given to a guest at a time.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) authority: Option<Authority>,
    pub(super) path: Option<PathAndQuery>,
    pub(super) headers: FieldMap,
    body: Option<Arc<Mutex<Body>>>,
}

impl Request {
    pub(crate) fn new(request: http::Request<Body>, secure: bool) -> Self {
        let (parts, body) = request.into_parts();
        let uri = parts.uri.into_parts();
        // `Host` is the host's: guests see it as the request's authority.
        let authority = uri.authority.or_else(|| authority(&parts.headers));
        Self {
            method: parts.method,
            scheme: if secure { Scheme::HTTPS } else { Scheme::HTTP },
            authority,
            path: uri.path_and_query,
            headers: FieldMap::new_immutable(&mut InboundFilter, parts.headers),
            body: (!body.is_end_stream()).then(|| Arc::new(Mutex::new(body))),
        }
    }

    /// The body, which marks the call as begun once a part of it is read. None when it is empty.
    pub(super) fn body(&self, ticket: &Arc<Ticket>) -> Option<RequestBody> {
        let body = Arc::clone(self.body.as_ref()?);
        Some(RequestBody { body, ticket: Arc::clone(ticket) })
    }
}

fn authority(headers: &HeaderMap) -> Option<Authority> {
    Authority::try_from(headers.get(HOST)?.as_bytes()).ok()
}

/// A request's body as a guest's instance reads it.
pub(super) struct RequestBody {
    body: Arc<Mutex<Body>>,
    ticket: Arc<Ticket>,
}

impl RequestBody {
    fn with<T>(&self, f: impl FnOnce(&mut Body) -> T) -> T {
        f(&mut self.body.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = self.with(|body| Pin::new(body).poll_frame(cx));
        if frame.is_ready() {
            self.ticket.touch();
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(into_guest)))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

fn into_guest(error: BodyError) -> Error {
    match error {
        BodyError::TooLarge { limit } => Error::HttpRequestBodySize(Some(limit)),
        BodyError::TimedOut => Error::ConnectionReadTimeout,
        BodyError::Aborted(_) => Error::ConnectionTerminated,
    }
}
