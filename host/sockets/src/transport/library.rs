//! `engineioxide` as this transport drives it.
//!
//! Every session starts in it as a polling one, whatever the client asked for, because it sends
//! its first heartbeat at once where the protocol waits for the interval: that heartbeat is taken
//! and answered here. A session that begins with a WebSocket is upgraded right after; the client
//! sees nothing of this.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use engineioxide::{config::EngineIoConfig, service::EngineIoService, socket::Sid};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use pingtalk_capabilities::calls::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Accept, Link, Settings,
    answers::Refusal,
    bridge::{Bridge, Sessions},
    link::WINDOW_PACKETS,
    wire::Wire,
};

/// The path the library is told; requests arrive here already routed.
const PATH: &str = "/engine";
/// Places in the library's queue beyond the window: heartbeats, noops, close.
const SPARE_PLACES: usize = 16;

/// The library with its sessions.
#[derive(Clone)]
pub(super) struct Library {
    service: EngineIoService<Bridge>,
    sessions: Arc<Sessions>,
}

impl Library {
    pub(super) fn new(settings: &Settings, accept: Arc<dyn Accept>) -> Self {
        let sessions = Arc::new(Sessions::default());
        let config = EngineIoConfig::builder()
            .req_path(PATH)
            .ping_interval(heartbeat_interval(settings.ping_interval))
            .ping_timeout(settings.ping_timeout)
            .max_payload(settings.max_payload as u64)
            .ws_max_message_size(settings.max_payload)
            .ws_max_frame_size(settings.max_payload)
            .max_buffer_size(WINDOW_PACKETS + SPARE_PLACES)
            .build();
        let bridge = Bridge { accept, sessions: Arc::clone(&sessions) };
        Self { service: EngineIoService::with_config(Arc::new(bridge), config), sessions }
    }

    /// An open session's link.
    pub(super) fn session(&self, sid: Sid) -> Result<Arc<Link>, Refusal> {
        self.sessions.get(&sid).ok_or(Refusal::UnknownSession)
    }

    /// Opens a session for a link.
    pub(super) async fn open(&self, link: &Arc<Link>) -> Result<Sid, Refusal> {
        let mut opening = request(Method::GET, None, empty())?;
        opening.extensions_mut().insert(Arc::clone(link));
        self.call(opening).await?;
        let sid = link.sid().ok_or(Refusal::UnknownSession)?;
        // Nothing else is queued before `start`: this is the first heartbeat.
        self.call(request(Method::GET, Some(sid), empty())?).await?;
        self.call(request(Method::POST, Some(sid), Full::new(Bytes::from_static(b"3")))?).await?;
        link.start();
        Ok(sid)
    }

    /// Waits for packets; a payload of at least one.
    pub(super) async fn poll(&self, sid: Sid, link: &Link) -> Result<Bytes, Refusal> {
        let payload = self.call(request(Method::GET, Some(sid), empty())?).await?;
        let messages = messages_in(&payload);
        if messages > 0 {
            link.written(messages);
        }
        Ok(payload)
    }

    /// Delivers a payload from the client.
    pub(super) async fn post(&self, sid: Sid, body: Body) -> Result<Bytes, Refusal> {
        self.call(request(Method::POST, Some(sid), body)?).await
    }

    /// Moves a session to a WebSocket.
    pub(super) async fn take_over<S>(&self, sid: Sid, wire: Wire<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let uri = format!("{PATH}/?EIO=4&transport=websocket&sid={sid}");
        let Ok(request) = Request::get(uri).body(()) else { return };
        // Its only error is a query it can't read, and that is ours.
        if let Err(error) = self.service.call((wire, request)).await {
            tracing::warn!(%error, "a WebSocket was not taken");
        }
    }

    /// Has a request answered; errors become ours.
    async fn call<B>(&self, request: Request<B>) -> Result<Bytes, Refusal>
    where
        B: http_body::Body + Send + Unpin + std::fmt::Debug + 'static,
        B::Data: Send,
        B::Error: std::fmt::Debug,
    {
        let response = match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = match response.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::TooLarge),
            _ if contains(&body, b"Session ID unknown") => Err(Refusal::UnknownSession),
            _ => Err(Refusal::BadRequest),
        }
    }
}

/// Slightly under what clients are told, so that a client that counts from the answer it got
/// finds its session closed when heartbeat and time-out have passed, not a moment later.
fn heartbeat_interval(told: Duration) -> Duration {
    told.saturating_sub(Duration::from_millis(10).min(told / 10))
}

/// A request as the library gets it. It keeps the head of an opening request for as long as the
/// session lives, so there is nothing in it that it does not read: no cookies, no headers.
fn request<B>(method: Method, sid: Option<Sid>, body: B) -> Result<Request<B>, Refusal> {
    let mut uri = format!("{PATH}/?EIO=4&transport=polling");
    if let Some(sid) = sid {
        uri.push_str("&sid=");
        uri.push_str(sid.as_str());
    }
    let request = Request::builder().method(method).uri(uri);
    request.body(body).map_err(|_| Refusal::BadRequest)
}

fn empty() -> Full<Bytes> {
    Full::default()
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
