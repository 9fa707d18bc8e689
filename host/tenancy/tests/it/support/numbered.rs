//! A release that answers with its number, instead of components.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, EventHandler, HttpHandler, SocketHandler},
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
    trace::Trace,
};
use pingtalk_runtime::Drained;
use pingtalk_tenancy::{Release, Service};

/// Answers after a few turns with its number; fails the test when called after its drain.
struct Numbered {
    number: usize,
    drained: AtomicBool,
}

#[async_trait]
impl HttpHandler for Numbered {
    async fn handle(
        &self,
        _: CallContext,
        _: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        for _ in 0..5 {
            tokio::task::yield_now().await;
            assert!(!self.drained.load(Ordering::SeqCst), "called on a drained release");
        }
        let body = Full::new(Bytes::from(self.number.to_string()));
        Ok(http::Response::new(body.map_err(|never| match never {}).boxed_unsync()))
    }
}

#[async_trait]
impl EventHandler for Numbered {
    async fn handle(&self, _: CallContext, _: Event) -> Result<Disposition, CallError> {
        Ok(Disposition::Done)
    }
}

#[async_trait]
impl SocketHandler for Numbered {
    async fn connect(
        &self,
        _: CallContext,
        _: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        Err(CallError::NotExported)
    }

    async fn receive(
        &self,
        _: CallContext,
        _: Socket,
        _: Message,
        _: bool,
    ) -> Result<Option<Ack>, CallError> {
        Err(CallError::NotExported)
    }

    async fn disconnect(
        &self,
        _: CallContext,
        _: Socket,
        _: DisconnectReason,
    ) -> Result<(), CallError> {
        Err(CallError::NotExported)
    }
}

#[async_trait]
impl Service for Numbered {
    async fn drain(&self, _: Instant) -> Drained {
        self.drained.store(true, Ordering::SeqCst);
        Drained::Finished
    }
}

/// A release with this number.
pub(crate) fn release(number: usize) -> Release {
    let service = Numbered { number, drained: AtomicBool::new(false) };
    let services: BTreeMap<String, Arc<dyn Service>> =
        BTreeMap::from([("hello".to_owned(), Arc::new(service) as _)]);
    Release::new(&number.to_string(), services)
}

pub(crate) fn context() -> CallContext {
    CallContext {
        request_id: Arc::from("test"),
        client: None,
        secure: false,
        deadline: Instant::now() + Duration::from_secs(5),
        trace: Trace::default(),
    }
}

pub(crate) fn request() -> http::Request<Body> {
    http::Request::new(http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// Which release a call reaches.
pub(crate) async fn call(handler: &impl HttpHandler, request: http::Request<Body>) -> usize {
    let answer = handler.handle(context(), request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    std::str::from_utf8(&body).unwrap().parse().unwrap()
}
