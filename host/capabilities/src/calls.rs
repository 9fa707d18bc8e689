//! Calls into components, as the servers in front see them.
//!
//! The gateway, the socket server and the event dispatcher hold these traits; a release's
//! components implement them through the runtime.

use std::{net::IpAddr, sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::{
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
    trace::Trace,
};

/// Why a body ended early. The text is for a log, not for a client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the route allows.
    #[error("body over the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The sender paused for too long.
    #[error("body timed out")]
    TimedOut,
    /// The connection or the producer went away.
    #[error("body was cut short: {0}")]
    Aborted(Arc<str>),
}

/// A streamed request or response body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What is known of a call besides its content.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Appears in every log line of the call and in the response's `x-request-id`.
    pub request_id: Arc<str>,
    /// The client's address, after trusted proxies. None for events.
    pub client: Option<IpAddr>,
    /// True when the client came over TLS.
    pub secure: bool,
    /// When the caller gives up. Counted from the enqueueing; the component's own wall-time
    /// budget may end the call earlier.
    pub deadline: Instant,
    /// What the call's spans begin under.
    pub trace: Trace,
}

/// Why a call brought no answer. Each is already counted and logged where it happened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// Too many calls in flight or waiting. Answer 503 with `Retry-After`.
    #[error("too many calls in flight")]
    Overloaded,
    /// The deadline passed. Answer 504.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The component trapped or went over a budget. Answer 500.
    #[error("the component failed: {0}")]
    Failed(Arc<str>),
    /// The instance died under another call, and this one can't be repeated safely. Answer 503.
    #[error("the component's instance was lost")]
    InstanceLost,
    /// The component has no such export. Answer 404 or refuse the configuration.
    #[error("the component does not serve this")]
    NotExported,
    /// The release is shutting down. Answer 503.
    #[error("shutting down")]
    ShuttingDown,
}

/// A component that answers HTTP.
#[async_trait]
pub trait HttpHandler: Send + Sync {
    /// One request to its response; the response's body may still be streaming.
    async fn handle(
        &self,
        context: CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError>;
}

/// A component that consumes events.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// One delivery to its disposition.
    async fn handle(&self, context: CallContext, event: Event) -> Result<Disposition, CallError>;
}

/// A component that serves sockets. The caller keeps one socket's calls in order.
#[async_trait]
pub trait SocketHandler: Send + Sync {
    /// Accepts or refuses a socket.
    async fn connect(
        &self,
        context: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError>;

    /// Handles one event of a socket.
    async fn receive(
        &self,
        context: CallContext,
        socket: Socket,
        message: Message,
        wants_ack: bool,
    ) -> Result<Option<Ack>, CallError>;

    /// Learns that a socket is gone.
    async fn disconnect(
        &self,
        context: CallContext,
        socket: Socket,
        reason: DisconnectReason,
    ) -> Result<(), CallError>;
}
