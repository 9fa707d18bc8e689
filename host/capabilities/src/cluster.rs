//! The bus between the hosts of one tenant, as a plain trait: what one host says, all others hear,
//! in one order.
//!
//! The bus carries notices without understanding them. A notice has a small head, by which a host
//! can tell whether it is concerned, and a body, which a backend may keep aside until somebody
//! asks for it. The socket server writes and reads both.
//!
//! # What every backend must do
//! - All hosts receive the notices of others in one and the same order, one host's own in the
//!   order of its calls, each at most once, and never their own.
//! - [`Cluster::publish`] never fails and never waits long. While the bus is away it keeps notices,
//!   bounded, and sends them later in order.
//! - Nothing is lost silently: whoever may have missed a notice receives [`Received::Lost`] instead,
//!   at the latest some seconds after the bus is back. From then on everything arrives again.
//! - What is lost without a word, because nobody is left who knows of it: notices that a host kept
//!   while the bus was away from it alone, if that host dies before it is back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::TenantId;

/// Longest head, in bytes.
pub const MAX_HEAD_BYTES: usize = 4 * 1024;

/// Why a bus can't be used. Retryable: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The configuration is wrong.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The bus is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// What one host tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whom it concerns: at most [`MAX_HEAD_BYTES`].
    pub head: Bytes,
    /// The rest, of any size.
    pub body: Bytes,
}

/// The body of a notice that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It came along.
    Here(Bytes),
    /// It lies elsewhere for a while: [`Subscription::fetch`] gets it by this name.
    Beside(Arc<str>),
}

/// What a host hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A notice of another host.
    Notice {
        /// Its head.
        head: Bytes,
        /// Its body.
        body: Body,
    },
    /// Notices may have been missed before this point; why, for a log.
    Lost(Arc<str>),
}

/// How a bus is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// The bus takes notices at the moment.
    pub connected: bool,
    /// Notices it has taken.
    pub published: u64,
    /// Notices of others that came.
    pub received: u64,
    /// Notices that wait for it.
    pub pending: usize,
    /// Bytes of those.
    pub pending_bytes: usize,
    /// How often notices were dropped here, or may have been missed.
    pub lost: u64,
}

/// The notices of other hosts from some moment on. Dropping it ends it.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next. Not cancel-safe: a notice may be lost with the future.
    async fn next(&mut self) -> Received;

    /// The bytes of a body; None when they are gone, which is as if the notice were lost.
    async fn fetch(&mut self, body: Body) -> Option<Bytes>;
}

/// One tenant's bus.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Tells all other hosts. Returns when the bus has taken the notice, or, if that takes too long
    /// or the bus is away, when the notice is kept for later.
    async fn publish(&self, notice: Notice);

    /// Starts to listen: what is published after this returned will be heard. Should the bus be
    /// away, the first to be heard is [`Received::Lost`].
    async fn subscribe(&self) -> Box<dyn Subscription>;

    /// Takes leave, as the last of this host: sends what is kept, and spares the others looking for
    /// it. False when that took longer.
    async fn leave(&self, within: Duration) -> bool;

    /// How it is doing.
    fn stats(&self) -> Stats;
}

/// Opens tenants' buses.
#[async_trait]
pub trait ClusterBackend: Send + Sync {
    /// Opens a tenant's bus. A bus that is away is no error.
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cluster>, ClusterError>;
}
