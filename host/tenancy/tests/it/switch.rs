//! Calls go on while releases are switched under them: none is lost, each finishes on the release
//! it started on, and the old release ends once it is empty.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pingtalk_capabilities::{
    TenantId,
    calls::{CallError, HttpHandler},
};
use pingtalk_runtime::Drained;
use pingtalk_tenancy::Tenant;

use crate::support::numbered::{call, context, release, request};

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
                    let number = call(&*handle, request()).await;
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
