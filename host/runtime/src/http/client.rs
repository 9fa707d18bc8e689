//! (in work)

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use crate::capabilities::OutboundPolicy;

/// The way out of one component.
pub(crate) struct Outbound {
    policy: OutboundPolicy,
}

impl Outbound {
    pub(crate) fn new(policy: OutboundPolicy) -> Arc<Self> {
        Arc::new(Self { policy })
    }
}

pub(super) async fn send(
    outbound: Arc<Outbound>,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error> {
    let _ = (outbound.policy.concurrency, options, request, Empty::<bytes::Bytes>::new().boxed());
    Err(Error::HttpRequestDenied)
}
