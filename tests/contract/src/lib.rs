//! The contract that every backend meets, as a library of tests.
//!
//! A backend runs a capability's suite from its own `tests/` with a few lines of set-up, such as
//! `pingtalk_contract::cache!(async { (backend, ()) });`: an expression whose value is a future of the
//! backend and of whatever must outlive the test (a folder, a server). Each test opens a tenant of its own,
//! so a suite may share a server. The tests ask only for what the traits and the interfaces promise,
//! in MongoDB's meaning where documents are concerned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
