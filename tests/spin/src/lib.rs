//! A stand-in for Spin: just the interfaces that the adapters import, on a real SQLite and with
//! Spin's meaning, so that the contract suites can run against the adapters.
//!
//! What Spin does that a test can't see here (composition, its own routing and instance reuse) the
//! end-to-end tests check against a real `spin`, where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bindings;
mod blobs;
mod cache;
mod consumer;
mod convert;
mod documents;
mod instance;
mod key_value;
mod manifest;
mod sqlite;

pub use blobs::SpinBlobs;
pub use cache::SpinCache;
pub use consumer::{Answer, Called, Consumer};
pub use documents::SpinDocuments;
