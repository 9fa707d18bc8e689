//! Answers the HTTP requests of Engine.IO clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engineioxide::socket::Sid;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::calls::{Body, CallContext};
use tokio::time::{timeout, timeout_at};

use super::{
    Accept, Admissions, Link, Opening, Settings,
    answers::{self, Refusal},
    library::Library,
    link::Bounds,
    query::{self, Asks},
    wire::Wire,
};

/// How long the client may take from its request to its first WebSocket byte.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// An Engine.IO server without a listener.
pub struct Endpoint {
    library: Library,
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
        let library = Library::new(&settings, accept);
        Self { library, admissions, settings, draining: AtomicBool::new(false) }
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
                let link = self.new_link(&context, &request)?;
                let cancelled = EndIfDropped::new(&link);
                let sid = self.library.open(&link).await?;
                cancelled.disarm();
                Ok(answers::text(open_packet(&self.settings, sid, "\"websocket\"").into()))
            }
            Asks::OpenWebSocket => {
                let link = self.new_link(&context, &request)?;
                self.open_websocket(link, request)
            }
            Asks::Upgrade(sid) => {
                let link = self.library.session(sid)?;
                self.upgrade(sid, link, request)
            }
            Asks::Poll(sid) => {
                let link = self.library.session(sid)?;
                let cancelled = EndIfDropped::new(&link);
                let _polling = Polling::new(&link);
                link.upgrade_settled().await;
                let polled = self.library.poll(sid, &link).await;
                cancelled.disarm();
                polled.map(answers::text)
            }
            Asks::Post(sid) => self.post(sid, context, request).await,
        }
    }

    /// Room for a new session.
    fn new_link(
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

    async fn post(
        &self,
        sid: Sid,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let link = self.library.session(sid)?;
        if link.posting.swap(true, Ordering::AcqRel) {
            // Two at once would mix up the order of what they deliver.
            link.lost();
            return Err(Refusal::BadRequest);
        }
        let _done = Posting(&link);
        // One byte: a packet without content, such as close.
        let is_control =
            request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "1");
        let work = async {
            if is_control {
                link.poll_arrived().await;
            }
            link.valve().opened().await;
            self.library.post(sid, request.into_body()).await
        };
        let posted = timeout_at(context.deadline.into(), work).await.unwrap_or_else(|_| {
            link.lost();
            Err(Refusal::BadRequest)
        });
        posted.map(answers::text)
    }

    /// A session that begins with a WebSocket.
    fn open_websocket(
        &self,
        link: Arc<Link>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let response = switching(&request)?;
        let stream = hyper::upgrade::on(&mut request);
        let patience = self.patience();
        let library = self.library.clone();
        link.upgraded.store(true, Ordering::Release);
        let settings = self.settings.clone();
        tokio::spawn(async move {
            let cancelled = EndIfDropped::new(&link);
            let Some(stream) = opened(stream).await else { return };
            let Ok(sid) = library.open(&link).await else { return };
            let mut wire = Wire::new(TokioIo::new(stream), link, patience);
            if wire.begin(&open_packet(&settings, sid, "")).await.is_ok() {
                cancelled.disarm();
                library.take_over(sid, wire).await;
            }
        });
        Ok(response)
    }

    /// A session that goes on over a WebSocket. A second one is opened and dropped, as the
    /// reference server does it; the session stays where it is.
    fn upgrade(
        &self,
        sid: Sid,
        link: Arc<Link>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let response = switching(&request)?;
        let stream = hyper::upgrade::on(&mut request);
        let patience = self.patience();
        let library = self.library.clone();
        let first = !link.upgraded.swap(true, Ordering::AcqRel);
        tokio::spawn(async move {
            match opened(stream).await {
                Some(stream) if first => {
                    library.take_over(sid, Wire::new(TokioIo::new(stream), link, patience)).await;
                }
                None if first => link.lost(),
                _ => {}
            }
        });
        Ok(response)
    }

    /// How long a write may make no progress: as long as a heartbeat may stay out.
    fn patience(&self) -> Duration {
        self.settings.ping_interval + self.settings.ping_timeout
    }
}

fn switching(request: &Request<Body>) -> Result<Response<Body>, Refusal> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
    answers::switch(key).ok_or(Refusal::BadRequest)
}

async fn opened(stream: OnUpgrade) -> Option<hyper::upgrade::Upgraded> {
    timeout(SWITCH_TIMEOUT, stream).await.ok()?.ok()
}

/// Ends a session unless disarmed: a client that cancels its request is gone.
struct EndIfDropped(Option<Arc<Link>>);

impl EndIfDropped {
    fn new(link: &Arc<Link>) -> Self {
        Self(Some(Arc::clone(link)))
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndIfDropped {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.lost();
        }
    }
}

/// Counts a poll while it lasts.
struct Polling<'a>(&'a Link);

impl<'a> Polling<'a> {
    fn new(link: &'a Link) -> Self {
        link.polls.fetch_add(1, Ordering::AcqRel);
        Self(link)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.polls.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Posting<'a>(&'a Link);

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

/// All `Cookie` headers (HTTP/2 clients may send several; RFC 9113, section 8.2.3).
fn cookies(headers: &HeaderMap) -> Option<String> {
    let all: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Engine.IO's first packet.
fn open_packet(settings: &Settings, sid: Sid, upgrades: &str) -> String {
    let Settings { ping_interval, ping_timeout, max_payload, .. } = settings;
    format!(
        "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\
         \"pingTimeout\":{},\"maxPayload\":{max_payload}}}",
        ping_interval.as_millis(),
        ping_timeout.as_millis(),
    )
}
