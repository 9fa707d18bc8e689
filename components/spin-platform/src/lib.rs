//! What the adapters for Spin share: which component they serve and what it was granted, and Spin's
//! own stores.
//!
//! An adapter is composed into each component that needs it and runs as part of it, with what that
//! component's section of the manifest lets it inherit. It reads the same manifest as our own host
//! does, so that both give a component the same grants.
#![cfg(target_family = "wasm")]

mod bindings;
mod clock;
mod database;
mod expiring;
mod kept;
mod key_value;
mod served;

pub use clock::now_millis;
pub use database::Database;
pub use expiring::{Expiring, sweep_now_and_then};
pub use kept::Kept;
pub use key_value::{Bucket, KeyValueError};
pub use served::Served;
