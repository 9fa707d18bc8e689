//! Sockets: `pingtalk:sockets` as plain types and a trait. The socket server implements
//! [`Sockets`] for one tenant and calls that tenant's [`crate::calls::SocketHandler`].

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
pub use pingtalk_packets::{Ack, Message, Refusal};

/// Largest attachment a component may keep with a socket, in bytes.
pub const MAX_ATTACHMENT_BYTES: usize = 4 * 1024;
/// Longest room name, in bytes.
pub const MAX_ROOM_BYTES: usize = 200;
/// Most rooms a socket can be in.
pub const MAX_ROOMS: usize = 1_000;

/// What a client sent to connect.
#[derive(Debug, Clone, Default)]
pub struct Handshake {
    /// The socket's public id.
    pub socket: Arc<str>,
    /// `/` or another namespace.
    pub namespace: String,
    /// The `Cookie` header.
    pub cookie: Option<String>,
    /// The CONNECT packet's payload, JSON.
    pub auth: Option<String>,
    /// After trusted proxies.
    pub remote_address: String,
    /// The request's query.
    pub query: String,
}

/// What the component decided.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The user's id.
    pub user: String,
    /// Handed back with each event.
    pub attachment: Bytes,
    /// Rooms to join at once.
    pub rooms: Vec<String>,
}

/// A connected socket. Cheap to clone: one is handed over with each event.
#[derive(Debug, Clone)]
pub struct Socket {
    /// Public id.
    pub id: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// User id.
    pub user: Arc<str>,
    /// The component's attachment.
    pub attachment: Bytes,
}

/// Why a socket is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The client said so.
    Client,
    /// The host or a component closed it.
    Server,
    /// The connection was lost.
    Transport,
    /// The client read too slowly.
    Overflow,
    /// The host is shutting down.
    Shutdown,
}

/// Whom a component addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One socket.
    Socket(String),
    /// All sockets of a user.
    User(String),
    /// All sockets in a room.
    Room(String),
}

/// Why a socket call failed. Retryable: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// Not granted.
    #[error("not granted: {0}")]
    Denied(String),
    /// Out of bounds or not JSON.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The socket server is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// One tenant's sockets. Among several hosts a target's sockets are those on all of them: when a
/// call returns it is done here, and the others will hear of it in the order of this host's calls.
#[async_trait]
pub trait Sockets: Send + Sync {
    /// Queues an event for every socket of the target but `except`. With `sequence`, a room's
    /// events are delivered in its order.
    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError>;

    /// Adds to a room, holding back its events if asked.
    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError>;

    /// Ends a hold; events above `after` follow.
    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError>;

    /// Removes from a room.
    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError>;

    /// Disconnects, sparing the sockets in the room `except`.
    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError>;
}
