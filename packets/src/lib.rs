//! Socket.IO packets (protocol revision 5) as text: what clients send is read here, what they
//! receive is written here. Everything a client sends is untrusted; reading fails with
//! [`Malformed`], which costs the client its connection and nobody else anything.

mod decode;
mod encode;
mod json;
mod model;

pub use decode::{Bounds, Decoder, Incoming, Namespace};
pub use encode::{Encoded, ack, connect, connect_error, disconnect, event, is_reserved};
pub use model::{Ack, Message, Refusal};

/// A packet that breaks the protocol. The text says how, for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Packet types, by their digit on the wire.
mod kind {
    pub(super) const CONNECT: char = '0';
    pub(super) const DISCONNECT: char = '1';
    pub(super) const EVENT: char = '2';
    pub(super) const ACK: char = '3';
    pub(super) const CONNECT_ERROR: char = '4';
    pub(super) const BINARY_EVENT: char = '5';
    pub(super) const BINARY_ACK: char = '6';
}
