//! What packets carry.

use bytes::Bytes;

/// An event with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Event name.
    pub name: String,
    /// The arguments after the name, a JSON array.
    pub arguments: String,
    /// Binary attachments.
    pub attachments: Vec<Bytes>,
}

/// An acknowledgement's arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack {
    /// A JSON array.
    pub arguments: String,
    /// Binary attachments.
    pub attachments: Vec<Bytes>,
}

/// Becomes `connect_error`.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The message.
    pub message: String,
    /// Further JSON.
    pub data: Option<String>,
}
