//! One request from its head to its response: checked, routed, handled, finished.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST},
    request::Parts,
};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError},
    trace::{Span, Trace},
};
use pingtalk_front::{headers, path};
use tokio::time::{sleep, timeout, timeout_at};

use crate::{
    body::{BodyBounds, Outgoing, RequestBody},
    client::Client,
    connection::Link,
    errors::{self, Problem},
    head,
    metrics::{InFlight, Metrics},
    request_id::{RequestId, X_REQUEST_ID},
    shared_limit::Verdict,
    site::{Found, Route, RouteKind, Site},
};

const HEALTHY: Bytes = Bytes::from_static(b"API Gateway is healthy");
/// The access log's name, by which it can be switched on alone.
const LOG: &str = "pingtalk::access";
/// A handler ends its calls at their deadline itself; this is for one that does not.
const GRACE: Duration = Duration::from_secs(1);
/// How long a tenant's clients wait for the answer that it has too many requests: where they try again at
/// once, refusing them would cost the others more than serving them.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);
/// How long a request waits for its tenant to be opened.
const WAKE_TIME: Duration = Duration::from_secs(20);

/// The value of the header that tells a handler who asks.
pub(crate) fn address_header(address: IpAddr) -> HeaderValue {
    // An address is made of digits, letters, dots and colons.
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Answers one request. Whatever goes wrong becomes a response.
pub(crate) async fn answer(link: Arc<Link>, request: Request<Incoming>) -> Response<Outgoing> {
    let started = Instant::now();
    link.phase.serving();
    let in_flight = InFlight::new(Arc::clone(&link));
    let gateway = &link.gateway;
    let (parts, incoming) = request.into_parts();
    let trusted = &gateway.config.trusted_proxies;
    let client = Client::of(link.peer, link.secure, &parts.headers, trusted);
    let id = client
        .proxied
        .then(|| RequestId::from_proxy(&parts.headers))
        .flatten()
        .unwrap_or_else(RequestId::generate);
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let id_header = id.header();
    let span = Trace::request(&parts.headers, client.proxied, || span_name(&method, None).into());

    let call = Call { link: &link, client, id: &id, id_header: &id_header, span: &span, started };
    let body = call.body(incoming);
    let found = call.site(&parts).await;
    let site = found.as_deref().ok();
    let origin = site.and_then(|site| site.cors().allowed(&parts.headers));
    let route = site.and_then(|site| site.find(uri.path()));
    let decision = match &found {
        Ok(site) => call.decide(site, route, &parts, origin.is_some()),
        Err(problem) => Err(*problem),
    };
    let result = match decision {
        Ok(Decision::Answer(response)) => Ok(response),
        Ok(Decision::Refuse(problem)) => {
            sleep(REFUSAL_PAUSE).await;
            Err(problem)
        }
        Ok(Decision::HandOver(route)) => {
            let mut arrived = Some(Arrived { parts, body });
            match call.within_shared_limit(route).await {
                Ok(()) => call.hand_over(route, &mut arrived).await,
                Err(problem) => Err(problem),
            }
        }
        Err(problem) => Err(problem),
    };
    let mut response = result.unwrap_or_else(Problem::response);

    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        link.phase.upgraded();
    }
    let response_headers = response.headers_mut();
    // Grown once rather than twice: the headers below are more than most handlers send.
    response_headers.reserve(10);
    headers::secure(response_headers);
    if let Some(site) = site {
        site.cors().apply(origin, response_headers);
    }
    response_headers.insert(X_REQUEST_ID, id_header);
    if let Some(egress) = site.and_then(Site::egress) {
        response.body_mut().pace(egress);
    }
    response.body_mut().hold(in_flight);

    let took = started.elapsed();
    match route {
        Some(route) => route.metrics.record(status, took),
        None => Metrics::count(&gateway.metrics.unrouted),
    }
    if span.recording() {
        if let Some(route) = route {
            span.rename(span_name(&method, Some(route.label())));
            span.set("http.route", route.label().to_owned());
        }
        span.set("http.request.method", span_method(&method));
        span.set("http.response.status_code", i64::from(status.as_u16()));
        span.set("url.path", uri.path().to_owned());
        span.set("pingtalk.request_id", id.shared());
        span.set("pingtalk.tenant", site.map_or("", Site::name).to_owned());
        if status.is_server_error() {
            span.fail("");
        }
    }
    // Neither the query nor any header: they may hold secrets.
    let (path, status, ms) = (uri.path(), status.as_u16(), took.as_millis());
    let (id, client, tenant) = (id.as_str(), client.address, site.map_or("", Site::name));
    span.within(|| {
        if status >= 500 {
            tracing::warn!(target: LOG, tenant, %method, path, status, ms, request_id = id, %client, "answered");
        } else {
            tracing::debug!(target: LOG, tenant, %method, path, status, ms, request_id = id, %client, "answered");
        }
    });
    response
}

/// A method as traces know it: clients can make up others without end (OpenTelemetry's HTTP
/// conventions, `http.request.method`).
fn span_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

fn span_name(method: &Method, route: Option<&str>) -> String {
    let method = match span_method(method) {
        "_OTHER" => "HTTP",
        known => known,
    };
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

/// A request that no handler has yet. It stays in one place and is lent: each async function that
/// takes it by value makes the future larger that hyper moves for each request.
struct Arrived {
    parts: Parts,
    body: Option<RequestBody>,
}

enum Decision<'s> {
    Answer(Response<Outgoing>),
    /// The tenant has too many requests.
    Refuse(Problem),
    HandOver(&'s Route),
}

/// What stays the same over the steps of one request.
struct Call<'a> {
    link: &'a Link,
    client: Client,
    id: &'a RequestId,
    id_header: &'a HeaderValue,
    span: &'a Span,
    started: Instant,
}

impl Call<'_> {
    /// The body, if there is one. From here on, leaving it unread is noticed.
    fn body(&self, incoming: Incoming) -> Option<RequestBody> {
        let config = &self.link.gateway.config;
        (!incoming.is_end_stream()).then(|| {
            let bounds =
                BodyBounds { bytes: 0, idle: config.body_idle_timeout, total: config.body_timeout };
            let budget = Arc::clone(&self.link.gateway.bodies);
            RequestBody::new(incoming, bounds, budget, Arc::clone(&self.link.phase))
        })
    }

    /// Checks the head, and finds whose it is.
    async fn site(&self, parts: &Parts) -> Result<Arc<Site>, Problem> {
        if parts.method == Method::CONNECT {
            return Err(errors::METHOD_NOT_ALLOWED.closing());
        }
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.link.gateway.config.max_uri_bytes {
            return Err(errors::URI_TOO_LONG.closing());
        }
        let host = head::host(parts)?;
        match self.link.gateway.sites.site(host.map(head::without_port)) {
            Found::Here(site) => Ok(site),
            Found::Waking(site) => match timeout(WAKE_TIME, site).await {
                Ok(opened) => opened.map_err(Problem::from),
                Err(_) => Err(CallError::DeadlineExceeded.into()),
            },
            Found::Nowhere => Err(errors::UNKNOWN_HOST),
        }
    }

    /// What becomes of a request that reached a site: an answer of the gateway's own, or a route
    /// that takes it.
    fn decide<'s>(
        &self,
        site: &Site,
        route: Option<&'s Route>,
        parts: &Parts,
        known_origin: bool,
    ) -> Result<Decision<'s>, Problem> {
        let path = parts.uri.path();
        if path == "*" {
            // `OPTIONS *` asks about the server as a whole (RFC 9110, section 9.3.7).
            return Ok(Decision::Answer(no_content()));
        }
        if !path::is_plain(path) {
            return Err(errors::BAD_PATH);
        }
        if site.health() && path::exact(path, "/health") {
            let mut response = Response::new(Outgoing::full(HEALTHY));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            return Ok(Decision::Answer(response));
        }
        if parts.method == Method::TRACE {
            return Err(errors::METHOD_NOT_ALLOWED);
        }
        if let Err(wait) = site.take() {
            return Ok(Decision::Refuse(self.too_many(wait)));
        }
        let route = route.ok_or(errors::NOT_FOUND)?;
        if route.kind != RouteKind::Files
            && let Some(response) = site.cors().preflight(&parts.method, known_origin)
        {
            return Ok(Decision::Answer(response.map(|()| Outgoing::empty())));
        }
        if let Some(limit) = &route.rate_limit
            && let Err(wait) = limit.take(self.client.address)
        {
            return Err(self.too_many(wait));
        }
        if route.kind == RouteKind::Sockets && !known_origin && !head::same_origin(parts) {
            return Err(errors::ORIGIN_NOT_ALLOWED);
        }
        Ok(Decision::HandOver(route))
    }

    /// Asks the hosts' common count about a request that this host's own limit let pass. Without
    /// one this is a look at an option.
    async fn within_shared_limit(&self, route: &Route) -> Result<(), Problem> {
        let Some(shared) = route.rate_limit.as_ref().and_then(|limit| limit.with_others()) else {
            return Ok(());
        };
        match shared.take(self.client.address).await {
            Verdict::Passes => {}
            Verdict::Refused(wait) => return Err(self.too_many(wait)),
            Verdict::Unknown => Metrics::count(&self.link.gateway.metrics.limited_alone),
        }
        Ok(())
    }

    fn too_many(&self, wait: Duration) -> Problem {
        Metrics::count(&self.link.gateway.metrics.rate_limited);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        errors::TOO_MANY_REQUESTS.retry_after(seconds)
    }

    /// Reads the body, calls the handler and cleans its response.
    async fn hand_over(
        &self,
        route: &Route,
        arrived: &mut Option<Arrived>,
    ) -> Result<Response<Outgoing>, Problem> {
        // Files have no use for a body, whatever its size.
        let mut began = self.started;
        if route.kind != RouteKind::Files
            && let Some(Arrived { parts, body: Some(body) }) = arrived
        {
            body.limit(head::body_limit(route, &parts.headers))?;
            body.prefetch().await?;
            if body.has_ended() {
                // It may have taken its time to arrive; the handler's time starts now.
                began = Instant::now();
            }
        }
        let Some(Arrived { mut parts, body }) = arrived.take() else {
            return Err(errors::INTERNAL);
        };
        let body = body.filter(|_| route.kind != RouteKind::Files);
        // A handler may plan by the length of what came in pieces and is all here now.
        let length = body.as_ref().filter(|body| body.has_ended()).map(|b| b.size_hint().lower());
        let fault = body.as_ref().filter(|body| !body.has_ended()).map(RequestBody::fault);
        let body = body.map_or_else(no_body, RequestBody::boxed);
        let sockets = route.kind == RouteKind::Sockets;
        let absolute_host = head::absolute_host(&parts.uri);
        parts.uri = path::origin_form(&parts.uri, route.stripped()).ok_or(errors::BAD_PATH)?;
        headers::clean_request(&mut parts.headers, sockets);
        if parts.version == Version::HTTP_2 {
            headers::join_cookies(&mut parts.headers);
        }
        if let Some(length) = length {
            parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        if let Some(host) = absolute_host {
            parts.headers.insert(HOST, host);
        }
        if !sockets {
            parts.extensions.remove::<OnUpgrade>();
        }
        let address = self.client.address;
        let address = if address == self.link.peer {
            self.link.peer_header.clone()
        } else {
            address_header(address)
        };
        parts.headers.insert(headers::CLIENT, address);
        parts.headers.insert(X_REQUEST_ID, self.id_header.clone());
        self.span.inject(&mut parts.headers);
        if self.client.secure {
            parts.headers.insert(headers::SECURE, HeaderValue::from_static("1"));
        }
        let head_only = parts.method == Method::HEAD;
        let deadline = began + route.deadline;
        let context = CallContext {
            request_id: self.id.shared(),
            client: Some(self.client.address),
            secure: self.client.secure,
            deadline,
            trace: self.span.trace().clone(),
        };
        let call = route.handler.handle(context, Request::from_parts(parts, body));
        let result = timeout_at((deadline + GRACE).into(), call).await;
        // What the client did wrong explains whatever the handler made of it.
        if let Some(problem) = fault.and_then(|fault| fault.problem()) {
            return Err(problem);
        }
        let response = result.map_err(|_| errors::DEADLINE)??;
        clean(response, head_only, sockets)
    }
}

/// The handler's response as it may leave the house.
fn clean(
    response: Response<Body>,
    head_only: bool,
    sockets: bool,
) -> Result<Response<Outgoing>, Problem> {
    let status = response.status();
    let upgrade = status == StatusCode::SWITCHING_PROTOCOLS;
    if status.is_informational() && !(upgrade && sockets) {
        tracing::warn!(%status, "a handler answered with a status that is not a final one");
        return Err(errors::INTERNAL);
    }
    let (mut parts, body) = response.into_parts();
    if !upgrade {
        let computed = !head_only && body.size_hint().exact().is_some();
        headers::clean_response(&mut parts.headers, computed);
    }
    Ok(Response::from_parts(parts, Outgoing::stream(body)))
}

fn no_content() -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A body without content costs no allocation.
fn no_body() -> Body {
    Body::new(Empty::new().map_err(|never: std::convert::Infallible| match never {}))
}
