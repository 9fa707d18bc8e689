//! What the host decides about a guest's HTTP: which headers it may see and set, and where its
//! own requests go.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use http::{HeaderName, header};
use pingtalk_capabilities::trace::Trace;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::client::{self, Outbound, Sent};

/// Bytes of a response body that cross the boundary at once.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// Headers that belong to the connection (RFC 9110 section 7.6.1) or to the host.
fn is_forbidden(name: &HeaderName) -> bool {
    // A match on the constants compiles to a comparison of small integers.
    match *name {
        header::CONNECTION
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION
        | header::TRANSFER_ENCODING
        | header::UPGRADE
        | header::HOST => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
    }
}

static FORBIDDEN: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(is_forbidden));

/// The hooks of one instance.
pub(crate) struct Hooks {
    outbound: Arc<Outbound>,
    /// When the next request must be answered, and what it is part of.
    next: Option<(Instant, Trace)>,
}

impl Hooks {
    pub(crate) fn new(outbound: Arc<Outbound>) -> Self {
        Self { outbound, next: None }
    }

    /// The next request sent must be answered by `deadline` and is part of `trace`.
    pub(crate) fn about_to_send(&mut self, deadline: Instant, trace: Trace) {
        self.next = Some((deadline, trace));
    }
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::clone(&FORBIDDEN)
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        received: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        // Tells how the guest's reading of the response ended, which changes nothing here.
        drop(received);
        let outbound = Arc::clone(&self.outbound);
        let deadline = self.next.take().map(|(deadline, trace)| {
            trace.inject(request.headers_mut());
            deadline
        });
        Box::new(client::send(outbound, request, options, deadline))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// Filters headers on the way in, where no instance is at hand.
pub(super) struct InboundFilter;

impl WasiHttpHooks for InboundFilter {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
