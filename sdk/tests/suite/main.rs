//! The sdk as a service's unit tests use it: natively, on the fake host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cache;
mod documents;
mod events;
mod json;
mod multipart;
mod router;
mod session;
mod sockets;
