//! Answers the HTTP requests of Engine.IO clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use engineioxide::{config::EngineIoConfig, service::EngineIoService, socket::Sid};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{service::Service, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::calls::{Body, CallContext};
use tokio::time::{timeout, timeout_at};

use super::{
    Accept, Admissions, Link, Opening, Settings,
    answers::{self, Refusal},
    bridge::{Bridge, Sessions},
    link::{Bounds, WINDOW_PACKETS},
    query::{self, Asks},
    wire::Wire,
};

/// The path the library is told; requests arrive here already routed.
const PATH: &str = "/engine";
/// Places in the library's queue beyond the window: heartbeats, noops, close.
const SPARE_PLACES: usize = 16;
/// How long the client may take from its request to its first WebSocket byte.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// An Engine.IO server without a listener.
pub struct Endpoint {
    service: EngineIoService<Bridge>,
    sessions: Arc<Sessions>,
    admissions: Arc<Admissions>,
    settings: Settings,
    draining: AtomicBool,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Makes an endpoint whose connections `accept` takes.
    #[must_use]
    pub fn new(settings: Settings, admissions: Arc<Admissions>, accept: Arc<dyn Accept>) -> Self {
        let sessions = Arc::new(Sessions::default());
        let config = EngineIoConfig::builder()
            .req_path(PATH)
            .ping_interval(settings.ping_interval)
            .ping_timeout(settings.ping_timeout)
            .max_payload(settings.max_payload as u64)
            .ws_max_message_size(settings.max_payload)
            .ws_max_frame_size(settings.max_payload)
            .max_buffer_size(WINDOW_PACKETS + SPARE_PLACES)
            .build();
        let bridge = Bridge { accept, sessions: Arc::clone(&sessions) };
        let service = EngineIoService::with_config(Arc::new(bridge), config);
        Self { service, sessions, admissions, settings, draining: AtomicBool::new(false) }
    }

    /// Refuses new sessions from now on.
    pub fn refuse_new(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Answers a request. A poll is answered when there is something to say or a heartbeat is
    /// due, whatever the context's deadline; dropping this future ends that poll's session.
    pub async fn handle(&self, context: CallContext, request: Request<Body>) -> Response<Body> {
        self.answer(context, request).await.unwrap_or_else(answers::refuse)
    }

    async fn answer(
        &self,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let (headers, query) = (request.headers(), request.uri().query());
        if !query::origin_allowed(headers, &self.settings.allowed_origins) {
            return Err(Refusal::Forbidden);
        }
        match query::read(request.method(), query, headers)? {
            Asks::OpenPolling => {
                let link = self.open_link(&context, &request)?;
                let opening = library_request(None, false, Some(link), request.map(|_| empty()))?;
                self.call(opening).await
            }
            Asks::OpenWebSocket => {
                let link = self.open_link(&context, &request)?;
                self.switch(request, Some(link), None)
            }
            Asks::Upgrade(sid) => {
                let link = self.sessions.get(&sid).ok_or(Refusal::UnknownSession)?;
                // A second WebSocket for a session is opened and dropped, as the reference
                // server does it; the session stays where it is.
                let first = !link.upgraded.swap(true, Ordering::AcqRel);
                self.switch(request, first.then_some(link), Some(sid))
            }
            Asks::Poll(sid) => self.poll(sid, request).await,
            Asks::Post(sid) => self.post(sid, context, request).await,
        }
    }

    /// Room for a new session.
    fn open_link(
        &self,
        context: &CallContext,
        request: &Request<Body>,
    ) -> Result<Arc<Link>, Refusal> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Refusal::Unavailable);
        }
        let permit = self.admissions.enter(context.client).ok_or(Refusal::Unavailable)?;
        let opening = Opening {
            cookie: cookies(request.headers()),
            remote_address: context.client.map(|address| address.to_string()).unwrap_or_default(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            secure: context.secure,
        };
        let bounds = Bounds {
            queue_packets: self.settings.queue_packets,
            queue_bytes: self.settings.queue_bytes,
            max_payload: self.settings.max_payload,
        };
        Ok(Arc::new(Link::new(opening, bounds, Some(permit))))
    }

    async fn poll(&self, sid: Sid, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let link = self.sessions.get(&sid).ok_or(Refusal::UnknownSession)?;
        let mut cancelled = EndIfDropped(Some(Arc::clone(&link)));
        let request = library_request(Some(sid), false, None, request.map(|_| empty()))?;
        let answer = self.call(request).await;
        cancelled.0 = None;
        answer
    }

    async fn post(
        &self,
        sid: Sid,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let link = self.sessions.get(&sid).ok_or(Refusal::UnknownSession)?;
        if link.posting.swap(true, Ordering::AcqRel) {
            // Two at once would mix up the order of what they deliver.
            link.lost();
            return Err(Refusal::BadRequest);
        }
        let _done = Posting(&link);
        let deadline = context.deadline.into();
        let request = library_request(Some(sid), false, None, request)?;
        let work = async {
            link.valve().opened().await;
            self.call(request).await
        };
        timeout_at(deadline, work).await.unwrap_or_else(|_| {
            link.lost();
            Err(Refusal::BadRequest)
        })
    }

    /// Has the library answer, and puts its errors into the reference server's words.
    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let sid_link =
            query::session(request.uri().query()).and_then(|sid| self.sessions.get(&sid));
        let is_poll = request.method() == http::Method::GET;
        let response = match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        match parts.status {
            StatusCode::OK => {}
            StatusCode::PAYLOAD_TOO_LARGE => return Err(Refusal::TooLarge),
            _ if contains(&body, b"Session ID unknown") => return Err(Refusal::UnknownSession),
            _ => return Err(Refusal::BadRequest),
        }
        if let Some(link) = sid_link.filter(|_| is_poll) {
            let packets = messages_in(&body);
            if packets > 0 {
                link.written(packets);
            }
        }
        Ok(answers::reply(StatusCode::OK, "text/plain; charset=UTF-8", body))
    }

    /// Answers 101 and hands the stream to the library for `link`; drops it without one.
    fn switch(
        &self,
        mut request: Request<Body>,
        link: Option<Arc<Link>>,
        sid: Option<Sid>,
    ) -> Result<Response<Body>, Refusal> {
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
        let response = answers::switch(key).ok_or(Refusal::BadRequest)?;
        let stream = hyper::upgrade::on(&mut request);
        let request = library_request(sid, true, link.clone(), request.map(|_| ()))?;
        let patience = self.settings.ping_interval + self.settings.ping_timeout;
        let service = self.service.clone();
        tokio::spawn(async move {
            let stream = opened(stream).await;
            let Some(link) = link else { return };
            match stream {
                Some(stream) => {
                    let wire = Wire::new(TokioIo::new(stream), link, patience);
                    // Its only error is a query it can't read, and we wrote that query.
                    if let Err(error) = service.call((wire, request)).await {
                        tracing::warn!(%error, "the WebSocket was not taken");
                    }
                }
                None => link.lost(),
            }
        });
        Ok(response)
    }
}

async fn opened(stream: OnUpgrade) -> Option<hyper::upgrade::Upgraded> {
    timeout(SWITCH_TIMEOUT, stream).await.ok()?.ok()
}

/// Ends a session unless disarmed: a client that cancels its poll is gone.
struct EndIfDropped(Option<Arc<Link>>);

impl Drop for EndIfDropped {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.lost();
        }
    }
}

struct Posting<'a>(&'a Link);

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The request as the library gets it. It keeps the head of an opening request for as long as the
/// session lives, so only what it reads is left: no cookies, no headers.
fn library_request<B>(
    sid: Option<Sid>,
    websocket: bool,
    link: Option<Arc<Link>>,
    request: Request<B>,
) -> Result<Request<B>, Refusal> {
    let (head, body) = request.into_parts();
    let transport = if websocket { "websocket" } else { "polling" };
    let mut uri = format!("{PATH}/?EIO=4&transport={transport}");
    if let Some(sid) = sid {
        uri.push_str("&sid=");
        uri.push_str(sid.as_str());
    }
    let mut request = Request::builder().method(head.method).uri(uri);
    if let (Some(link), Some(extensions)) = (link, request.extensions_mut()) {
        extensions.insert(link);
    }
    request.body(body).map_err(|_| Refusal::BadRequest)
}

/// All `Cookie` headers (HTTP/2 clients may send several; RFC 9113, section 8.2.3).
fn cookies(headers: &HeaderMap) -> Option<String> {
    let all: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v: &HeaderValue| v.to_str().ok())
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Message packets in a polling payload.
fn messages_in(payload: &Bytes) -> usize {
    const SEPARATOR: u8 = 0x1e;
    payload
        .split(|&byte| byte == SEPARATOR)
        .filter(|packet| matches!(packet.first(), Some(b'4' | b'b')))
        .count()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
