//! The runtime with real guests (`tests/guests`), built on the way.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod capabilities;
mod compile_cache;
mod compiler;
mod hostile;
mod http;
mod lifecycle;
mod outbound;
mod quota;
mod sockets_and_events;
mod support;
