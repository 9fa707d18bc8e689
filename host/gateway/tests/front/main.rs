//! The gateway over real sockets, with plain Rust handlers behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod body_bounds;
mod client_address;
mod cross_origin;
mod drain;
mod failures;
mod file_handles;
mod files;
mod limits;
mod protocol;
mod routing;
mod slow_clients;
mod support;
