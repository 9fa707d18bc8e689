//! Engine.IO v4: sessions over long-polling and WebSocket, upgrades, heartbeats.
//!
//! The rest of the crate knows the types of this module only: an [`Endpoint`] answers HTTP
//! requests, a [`Link`] is one client's connection, and whoever implements [`Accept`] and
//! [`Consumer`] gets what clients send. Below is `engineioxide`, which only `library`, `bridge`
//! and `link` drive; what it lacks is added here:
//!
//! - back-pressure: a paused [`Link`] is not read from (its callbacks can't pause);
//! - queues bounded in bytes and counted until the bytes are written;
//! - connections that never finish opening, upgrading or writing end;
//! - a cancelled poll ends its session, as the protocol asks;
//! - the first heartbeat comes after the interval, not at once;
//! - requests are checked, and refused in the reference server's words.

mod admission;
mod answers;
mod bridge;
mod endpoint;
mod flow;
mod frames;
mod library;
mod link;
mod query;
mod text;
mod wire;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

pub use admission::{Admissions, Permit};
pub use endpoint::Endpoint;
pub use link::{Link, SendError};
pub use text::{Outgoing, Text};

/// Takes new connections.
pub trait Accept: Send + Sync + 'static {
    /// A client has connected. Called before anything it sent is delivered; what is sent to the
    /// link here is the first the client gets.
    fn open(&self, link: Arc<Link>) -> Arc<dyn Consumer>;
}

/// Takes what one connection's client sends, in order, one call at a time. The calls must not
/// block; a consumer that falls behind pauses its link.
pub trait Consumer: Send + Sync + 'static {
    /// A text message.
    fn text(&self, message: Text);
    /// A binary message.
    fn binary(&self, message: Bytes);
    /// The connection is gone. Called once at least, also after [`Link::close`].
    fn closed(&self);
}

/// What a client sent when it opened its connection.
#[derive(Clone, Default)]
pub struct Opening {
    /// The `Cookie` header; several are joined. Secret.
    pub cookie: Option<String>,
    /// The client's address, after trusted proxies.
    pub remote_address: String,
    /// The query of the first request.
    pub query: String,
    /// The client came over TLS.
    pub secure: bool,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening")
            .field("remote_address", &self.remote_address)
            .field("cookie", &self.cookie.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// Engine.IO's settings and the bounds of one connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two heartbeats.
    pub ping_interval: Duration,
    /// How long a client may take to answer one.
    pub ping_timeout: Duration,
    /// Longest message a client may send, and longest polling payload, in bytes.
    pub max_payload: usize,
    /// Origins whose pages may connect; compared exactly. `*` allows any.
    pub allowed_origins: Vec<String>,
    /// Packets that may wait to be sent to one client.
    pub queue_packets: usize,
    /// Bytes that may wait to be sent to one client. One message may always wait alone.
    pub queue_bytes: usize,
}
