//! The server's settings. Every queue, table and wait has its bound here.

use std::time::Duration;

use crate::transport::Settings;

/// A namespace that applications serve, with the other spellings clients use for it.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// The name components see.
    pub name: String,
    /// Spellings that count as it. Packets carry the client's own spelling.
    pub aliases: Vec<String>,
}

/// One tenant's socket server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Between two heartbeats (Engine.IO `pingInterval`).
    pub ping_interval: Duration,
    /// How long a client may take to answer one (`pingTimeout`).
    pub ping_timeout: Duration,
    /// Longest message from a client, in bytes, over either transport (`maxPayload`).
    pub max_payload: usize,
    /// A connection without a namespace after this long is closed.
    pub connect_timeout: Duration,
    /// Origins whose pages may connect, compared exactly; `*` allows any. Requests without an
    /// Origin header are no browser's, and allowed.
    pub allowed_origins: Vec<String>,
    /// The namespaces. Others are refused with `Invalid namespace`.
    pub namespaces: Vec<Namespace>,

    /// Packets that may wait to be sent to one client before it is disconnected.
    pub send_queue_packets: usize,
    /// Bytes that may wait to be sent to one client before it is disconnected.
    pub send_queue_bytes: usize,
    /// Events of one client that may wait for the component. From an eighth of it on the client
    /// is not read from; one that exceeds it nevertheless is disconnected.
    pub inbound_events: usize,
    /// The same in bytes.
    pub inbound_bytes: usize,
    /// Attachments of one packet, either way.
    pub max_attachments: usize,

    /// Connections in all.
    pub max_connections: usize,
    /// Connections from one address.
    pub max_connections_per_address: usize,
    /// Sockets of one user.
    pub max_sockets_per_user: usize,
    /// Rooms in all.
    pub max_rooms: usize,

    /// Events held back for one socket until `release`, over all its rooms.
    pub hold_events: usize,
    /// The same in bytes.
    pub hold_bytes: usize,
    /// A hold that is not released within this time ends with the socket's disconnection, so that
    /// its client comes back and catches up.
    pub hold_timeout: Duration,
    /// How long an event that came before its predecessor waits for it.
    pub reorder_window: Duration,
    /// How many such events may wait in one room.
    pub reorder_events: usize,
    /// In a cluster, how long the first numbered event of a room waits for one of a lower number,
    /// unless a history tells which one is the first.
    pub start_window: Duration,
    /// In a cluster, over how long connections are closed when notices may be lost.
    pub reset_spread: Duration,

    /// How long one call into the component may take.
    pub handler_deadline: Duration,
    /// How long [`crate::SocketServer::drain`] waits for the component's last calls.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            connect_timeout: Duration::from_secs(45),
            allowed_origins: Vec::new(),
            namespaces: vec![Namespace {
                name: "/".to_owned(),
                aliases: vec!["/chat".to_owned(), "/chat/".to_owned()],
            }],
            send_queue_packets: 4_096,
            // A file of 5 MB makes an event of 7 MB.
            send_queue_bytes: 16 * 1024 * 1024,
            inbound_events: 4_096,
            inbound_bytes: 4 * 1024 * 1024,
            max_attachments: 10,
            max_connections: 100_000,
            max_connections_per_address: 10_000,
            max_sockets_per_user: 1_000,
            max_rooms: 1_000_000,
            hold_events: 1_024,
            hold_bytes: 8 * 1024 * 1024,
            hold_timeout: Duration::from_secs(10),
            reorder_window: Duration::from_millis(250),
            reorder_events: 256,
            start_window: Duration::from_millis(50),
            reset_spread: Duration::from_secs(3),
            handler_deadline: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    pub(crate) fn transport(&self) -> Settings {
        Settings {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            max_payload: self.max_payload,
            allowed_origins: self.allowed_origins.clone(),
            queue_packets: self.send_queue_packets,
            queue_bytes: self.send_queue_bytes,
        }
    }
}
