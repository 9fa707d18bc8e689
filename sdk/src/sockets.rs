//! Sockets: what a service does to its clients' Socket.IO connections, and how it serves them.

use std::future::Future;

use bytes::Bytes;
use serde::Serialize;

#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::{Error, Fields, Platform, Result, platform::ThisHost};

/// Why a socket call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// The manifest does not grant this namespace or room.
    #[error("not granted: {0}")]
    Denied(String),
    /// Out of bounds, or not JSON.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The socket server is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// Whom to address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One socket.
    Socket(String),
    /// All sockets of a user.
    User(String),
    /// All sockets in a room.
    Room(String),
}

/// One socket, by its id.
pub fn socket(id: impl Into<String>) -> Target {
    Target::Socket(id.into())
}

/// All sockets of a user.
pub fn user(id: impl ToString) -> Target {
    Target::User(id.to_string())
}

/// All sockets in a room.
pub fn room(name: impl Into<String>) -> Target {
    Target::Room(name.into())
}

/// What a client sent to connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The socket's id.
    pub socket: String,
    /// Its namespace.
    pub namespace: String,
    /// The `Cookie` header.
    pub cookie: Option<String>,
    /// The CONNECT packet's auth payload, JSON.
    pub auth: Option<String>,
    /// The client's address.
    pub remote_address: String,
    /// The query.
    pub query: String,
}

/// Lets a socket in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// The user's id.
    pub user: String,
    /// Handed back with each event; at most 4 KiB.
    pub attachment: Vec<u8>,
    /// Rooms to join at once.
    pub rooms: Vec<String>,
}

/// Keeps a socket out; the client gets it as `connect_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's message.
    pub message: String,
    /// The error's `data`, JSON.
    pub data: Option<String>,
}

impl Refusal {
    /// With a message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }
}

/// The failure to look something up refuses the socket for now, without detail.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        error.log();
        Self::new(error.text())
    }
}

/// A connected socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// Its id.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// Its user.
    pub user: String,
    /// What the service attached to it.
    pub attachment: Vec<u8>,
}

impl Socket {
    /// This socket as a target.
    #[must_use]
    pub fn target(&self) -> Target {
        socket(&self.id)
    }
}

/// An event with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Event name.
    pub name: String,
    /// The arguments after the name, a JSON array.
    pub arguments: String,
    /// Binary attachments, which placeholders in `arguments` refer to.
    pub attachments: Vec<Bytes>,
    /// The client waits for an ack. Of no meaning when sending.
    pub wants_ack: bool,
}

impl Message {
    /// An event with one argument.
    ///
    /// # Errors
    /// [`SocketError::Invalid`] when it is no JSON.
    pub fn new(
        name: impl Into<String>,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<Self, SocketError> {
        let arguments = serde_json::to_string(&[argument])
            .map_err(|error| SocketError::Invalid(error.to_string()))?;
        Ok(Self { name: name.into(), arguments, ..Self::default() })
    }

    /// The first argument, which must be an object.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn fields(&self) -> Result<Fields> {
        let refused = || Error::bad_request(format!("{} needs an object", self.name));
        let arguments: Vec<serde_json::Value> =
            serde_json::from_str(&self.arguments).map_err(|_| refused())?;
        let first = arguments.into_iter().next().ok_or_else(refused)?;
        Fields::of(first).map_err(|_| refused())
    }
}

/// An acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack {
    /// A JSON array.
    pub arguments: String,
    /// Binary attachments.
    pub attachments: Vec<Bytes>,
}

impl Ack {
    /// With one argument. What can't be JSON is null.
    pub fn new(argument: &impl Serialize) -> Self {
        let arguments = serde_json::to_string(&[argument]).unwrap_or_else(|_| "[null]".to_owned());
        Self { arguments, attachments: Vec::new() }
    }
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

/// A service that serves sockets. Calls for one socket come one at a time, in order.
pub trait SocketService {
    /// A client wants to connect.
    fn connect(
        cx: Platform,
        handshake: Handshake,
    ) -> impl Future<Output = Result<Admission, Refusal>>;

    /// A client sent an event. The ack is dropped if the client does not want one.
    ///
    /// An error reaches the client as the event `error` with its text, and, if it wants an ack,
    /// as `{"ok": false, "error": text}` too.
    fn receive(
        cx: Platform,
        socket: Socket,
        message: Message,
    ) -> impl Future<Output = Result<Option<Ack>>>;

    /// The socket is gone.
    fn disconnect(
        cx: Platform,
        socket: Socket,
        reason: DisconnectReason,
    ) -> impl Future<Output = ()> {
        let _ = (cx, socket, reason);
        std::future::ready(())
    }
}

/// Runs one event through a service, turning its error into what the client sees.
pub async fn receive<S: SocketService>(
    cx: Platform,
    from: Socket,
    message: Message,
) -> Option<Ack> {
    let (target, wants_ack) = (from.target(), message.wants_ack);
    match S::receive(cx.clone(), from, message).await {
        Ok(ack) => ack,
        Err(error) => {
            error.log();
            if let Err(error) = cx.sockets().emit(target, "error", error.text()).await {
                // The socket may be gone by now; there is nobody else to tell.
                crate::log::warn("error event not sent", &[("error", &error)]);
            }
            wants_ack.then(|| Ack::new(&serde_json::json!({"ok": false, "error": error.text()})))
        }
    }
}

/// The tenant's sockets.
#[derive(Clone, Copy)]
pub struct Sockets<'a> {
    host: &'a ThisHost,
}

impl<'a> Sockets<'a> {
    pub(crate) fn new(host: &'a ThisHost) -> Self {
        Self { host }
    }

    /// Sends an event with one argument.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn emit(
        self,
        target: Target,
        name: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<(), SocketError> {
        self.host.emit(target, Message::new(name, argument)?, None, None).await
    }

    /// Sends an event in the order of `sequence`: the host holds one that came early, and drops
    /// one that a socket was already sent.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn emit_in_order(
        self,
        target: Target,
        name: &str,
        argument: &(impl Serialize + ?Sized),
        sequence: u64,
    ) -> Result<(), SocketError> {
        self.host.emit(target, Message::new(name, argument)?, Some(sequence), None).await
    }

    /// Sends any event, to all of the target's sockets but `except`.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn emit_message(
        self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        self.host.emit(target, message, sequence, except).await
    }

    /// Adds the target's sockets to a room.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn join(self, target: Target, room: &str) -> Result<(), SocketError> {
        self.host.join(target, room, false).await
    }

    /// Adds the target's sockets to a room, keeping back its events for them until
    /// [`Sockets::release`], so that a history can be sent first.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn join_held(self, target: Target, room: &str) -> Result<(), SocketError> {
        self.host.join(target, room, true).await
    }

    /// Ends a hold: what was kept back with a sequence above `after` follows.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn release(self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        self.host.release(target, room, after).await
    }

    /// Removes the target's sockets from a room.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn leave(self, target: Target, room: &str) -> Result<(), SocketError> {
        self.host.leave(target, room).await
    }

    /// Disconnects the target's sockets.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn disconnect(self, target: Target) -> Result<(), SocketError> {
        self.host.disconnect(target, None).await
    }

    /// Disconnects the target's sockets, sparing those in a room.
    ///
    /// # Errors
    /// Those of the host.
    pub async fn disconnect_except(self, target: Target, room: &str) -> Result<(), SocketError> {
        self.host.disconnect(target, Some(room.to_owned())).await
    }
}
