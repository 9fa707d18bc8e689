//! Builds the guests, starts engines, makes calls.

pub mod fakes;
pub mod guests;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::{
    TenantId,
    calls::{Body, CallContext, CallError, HttpHandler},
    trace::Trace,
};
use pingtalk_runtime::{
    Capabilities, Component, Engine, EngineConfig, Instances, Limits, Names, Pace,
};
use tokio::sync::OnceCell;

/// One engine for all tests of the binary.
pub fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    Arc::clone(ENGINE.get_or_init(|| {
        let config = EngineConfig { cores: 1, instances: 200, ..EngineConfig::default() };
        Engine::new(config).unwrap()
    }))
}

pub async fn load(name: &str) -> Arc<Component> {
    engine().load(name, guests::read(name), Pace::Eager, &|_| {}).await.unwrap()
}

/// The compiled probe, shared.
pub async fn probe() -> Arc<Component> {
    static PROBE: OnceCell<Arc<Component>> = OnceCell::const_new();
    Arc::clone(PROBE.get_or_init(|| load("probe")).await)
}

pub fn names() -> Names {
    Names {
        tenant: TenantId::new("acme").unwrap(),
        component: "probe".into(),
        release: "r1".into(),
    }
}

/// Short times, so that the tests are quick.
pub fn limits() -> Limits {
    Limits { wall_time: Duration::from_millis(400), ..Limits::default() }
}

pub async fn probe_with(capabilities: Capabilities, limits: Limits) -> Arc<Instances> {
    Instances::new(&engine(), probe().await, names(), capabilities, limits).unwrap()
}

/// The probe with every capability faked.
pub async fn probe_limited(limits: Limits) -> Arc<Instances> {
    probe_with(fakes::capabilities(), limits).await
}

pub fn context() -> CallContext {
    context_within(Duration::from_secs(60))
}

pub fn context_within(time: Duration) -> CallContext {
    CallContext {
        request_id: "test".into(),
        client: None,
        secure: false,
        deadline: Instant::now() + time,
        trace: Trace::default(),
    }
}

pub fn empty() -> Body {
    full("")
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

pub fn request(path: &str) -> http::Request<Body> {
    http::Request::get(path).header("host", "acme.test").body(empty()).unwrap()
}

/// A request's answer: status and whole body.
pub async fn get(instances: &Instances, path: &str) -> Result<(u16, String), CallError> {
    send(instances, request(path)).await
}

pub async fn send(
    instances: &Instances,
    request: http::Request<Body>,
) -> Result<(u16, String), CallError> {
    let response = HttpHandler::handle(instances, context(), request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| CallError::Failed(format!("body: {error}").into()))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

/// The body of a request that succeeds.
pub async fn text(instances: &Instances, path: &str) -> String {
    let (status, body) = get(instances, path).await.unwrap();
    assert_eq!(status, 200, "{body}");
    body
}
