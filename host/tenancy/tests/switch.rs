//! Calls go on while releases are switched under them: none is lost, each finishes on the release
//! it started on, and the old release ends once it is empty.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::{
    TenantId,
    calls::{Body, CallContext, CallError, EventHandler, HttpHandler, SocketHandler},
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
};
use pingtalk_runtime::Drained;
use pingtalk_tenancy::{Release, Service, Tenant};

/// Answers after a few turns with its number; fails the test when called after its drain.
struct Numbered {
    number: usize,
    drained: AtomicBool,
    calls: AtomicUsize,
}

#[async_trait]
impl HttpHandler for Numbered {
    async fn handle(
        &self,
        _: CallContext,
        _: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
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

fn release(number: usize) -> Release {
    let service = Numbered { number, drained: AtomicBool::new(false), calls: AtomicUsize::new(0) };
    let services: BTreeMap<String, Arc<dyn Service>> =
        BTreeMap::from([("hello".to_owned(), Arc::new(service) as _)]);
    Release::new(&number.to_string(), services)
}

fn context() -> CallContext {
    CallContext {
        request_id: Arc::from("test"),
        client: None,
        secure: false,
        deadline: Instant::now() + Duration::from_secs(5),
    }
}

fn request() -> http::Request<Body> {
    http::Request::new(http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_over_fifty_switches() {
    let tenant = Tenant::new(TenantId::default_tenant(), release(0));
    let handle = tenant.component("hello");
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (handle, done) = (Arc::clone(&handle), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut calls, mut newest) = (0_usize, 0);
                while !done.load(Ordering::SeqCst) {
                    let answer = HttpHandler::handle(&*handle, context(), request()).await.unwrap();
                    let body = answer.into_body().collect().await.unwrap().to_bytes();
                    let number: usize = std::str::from_utf8(&body).unwrap().parse().unwrap();
                    assert!(number >= newest, "a later call saw an older release");
                    newest = number;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for number in 1..=50 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(tenant.switch(release(number)).await, Drained::Finished);
    }
    done.store(true, Ordering::SeqCst);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    assert!(calls > 50, "only {calls} calls");
    assert_eq!(tenant.current().name(), "50");
}

#[tokio::test]
async fn a_closed_tenant_and_an_unknown_component_say_so() {
    let tenant = Tenant::new(TenantId::default_tenant(), release(1));
    let unknown = tenant.component("nobody");
    let answer = HttpHandler::handle(&*unknown, context(), request()).await;
    assert!(matches!(answer, Err(CallError::NotExported)));
    tenant.close(Instant::now() + Duration::from_secs(1)).await;
    let answer = HttpHandler::handle(&*tenant.component("hello"), context(), request()).await;
    assert!(matches!(answer, Err(CallError::ShuttingDown)));
}
