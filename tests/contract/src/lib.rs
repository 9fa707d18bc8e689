//! The contract that every backend meets, as a library of tests.
//!
//! A backend runs a capability's suite from its own `tests/` with a few lines of set-up, such as
//! `pingtalk_contract::cache!(async { (backend, ()) });`: an expression whose value is a future of
//! the backend and of whatever must outlive the test (a folder, a server). Each test opens tenants of its
//! own, so a suite may share a server. The tests ask only for what the traits and the interfaces
//! promise, in MongoDB's meaning where documents are concerned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use pingtalk_capabilities::TenantId;

pub mod blobs;
pub mod cache;
pub mod documents;
pub mod events;
pub mod redis_server;
pub mod servers;

/// Makes a tokio test of each named function of a module.
#[doc(hidden)]
#[macro_export]
macro_rules! suite {
    ($module:ident, $setup:expr, [$($name:ident),* $(,)?]) => {
        $crate::suite!($module, $setup, unless async { false }, [$($name),*]);
    };
    ($module:ident, $setup:expr, unless $left_out:expr, [$($name:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if $left_out.await {
                    eprintln!("left out: the server only stands in for the real one");
                    return;
                }
                let (backend, _guard) = $setup.await;
                $crate::$module::$name(backend).await;
            }
        )*
    };
}

/// A tenant that no other test, process or run uses.
#[must_use]
pub fn tenant() -> TenantId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    TenantId::new(&format!("t{now:x}-{}-{next}", std::process::id())).unwrap()
}
