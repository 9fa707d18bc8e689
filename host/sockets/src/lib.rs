//! A Socket.IO 4 server (Socket.IO protocol 5 over Engine.IO 4) whose events components handle.
//!
//! The host owns every socket; a component sees calls. So a component can be replaced while its
//! clients stay connected. What is promised to clients and components:
//!
//! - one socket's events reach the component one at a time, in order; different sockets' at once;
//! - nothing a client sends is delivered before `connect` returned, nor lost meanwhile;
//! - a room's numbered events go out in order; an event is encoded once however many get it;
//! - every queue is bounded: a client that reads too slowly is disconnected, never left with a
//!   gap, and one that sends too fast is not read from;
//! - what a client sends, however malformed, costs at most its own connection.
//!
//! A walk through the modules, in the direction of an event: [`transport`] (HTTP to messages),
//! `connection` (messages to packets, packets to sockets), `inbox` (calls into the component),
//! `sockets` (calls from the component), `registry` and `room` (who gets an event, and when),
//! `peer` (one socket), and out through `transport` again. `cluster` and `notice` tell other hosts
//! what `sockets` was called for, and call the same here for them.

mod backlog;
mod broadcast;
mod cluster;
mod config;
mod connection;
mod core;
mod inbox;
mod notice;
mod peer;
mod registry;
mod replies;
mod room;
mod server;
mod sharded;
mod sockets;
mod spellings;
pub mod transport;

pub use config::{Config, Namespace};
pub use server::{SocketServer, Stats};
