//! The wasm half: the host's imports as a [`Host`](crate::Host), and the exports that the
//! [`service!`](crate::service) macro makes.
//!
//! Nothing here fails on its own: what the host refuses comes back as the capability's error.
//! Statics survive between calls, so the platform handle (and the keys in it) are made once.

pub mod bindings;
mod blobs;
mod clock;
pub mod conv;
mod documents;
mod events;
mod host;
mod http;
pub mod internal;
mod outbound;
mod random;
mod sockets;

pub use bindings::capabilities::pingtalk::sockets::types as socket;
pub use bindings::{
    capabilities::wasi::http::types::{ErrorCode, Request, Response},
    events::exports::pingtalk::events::handler::{Disposition, Event},
};
pub(crate) use host::WasmHost;
pub use {
    events::handle as handle_event,
    http::{handle as handle_request, respond},
    internal::Internal,
    sockets::{connect, disconnect, receive},
};

use crate::Platform;

thread_local! {
    static PLATFORM: Platform = Platform::new(WasmHost);
}

/// The instance's host.
pub(crate) fn platform() -> Platform {
    PLATFORM.with(Clone::clone)
}
