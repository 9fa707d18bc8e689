//! A release on trial takes its share of the clients, and each client stays on its side.

use std::sync::Arc;

use pingtalk_capabilities::TenantId;
use pingtalk_runtime::Drained;
use pingtalk_tenancy::{Tenant, Trial};

use crate::support::numbered::{call, release, request};

/// A request of a client that has a session.
fn of_client(number: usize) -> http::Request<pingtalk_capabilities::calls::Body> {
    let mut request = request();
    let cookie = format!("token=client-{number}").parse().unwrap();
    request.headers_mut().insert(http::header::COOKIE, cookie);
    request
}

#[tokio::test]
async fn a_trial_takes_its_share_and_clients_keep_their_side() {
    let tenant = Tenant::new(TenantId::default_tenant(), release(1));
    let handle = tenant.component("hello");
    let trial = Trial { release: Arc::new(release(2)), percent: 10 };
    tenant.install(tenant.current(), Some(trial)).drain().await;
    let mut tried = 0;
    for client in 0..2_000 {
        let first = call(&*handle, of_client(client)).await;
        assert_eq!(call(&*handle, of_client(client)).await, first, "client {client} changed sides");
        tried += usize::from(first == 2);
    }
    // A tenth of 2,000 in expectation; the hash is fixed, so this is no matter of chance.
    assert!((120..280).contains(&tried), "{tried} of 2000 clients are on trial");
    // The trial comes into force: the release before goes, the one on trial stays.
    let promoted = tenant.trial().unwrap().release;
    let ended = tenant.install(Arc::clone(&promoted), None).drain().await;
    assert_eq!(ended, Drained::Finished);
    for client in 0..50 {
        assert_eq!(call(&*handle, of_client(client)).await, 2);
    }
    assert!(Arc::ptr_eq(&tenant.current(), &promoted));
}
