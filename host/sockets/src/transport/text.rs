//! Messages on their way, cheap to clone: one buffer serves every recipient.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;
use engineioxide::Str;
use pingtalk_packets::Encoded;

/// UTF-8 text with shared ownership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Str);

impl Text {
    pub(super) fn received(text: Str) -> Self {
        Self(text)
    }

    pub(super) fn into_inner(self) -> Str {
        self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Str::from(text))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

/// A message for a client.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// Text alone.
    Text(Text),
    /// Bytes alone.
    Binary(Bytes),
    /// Text and the bytes that must follow it with nothing in between.
    Compound(Text, Arc<[Bytes]>),
}

impl From<Encoded> for Outgoing {
    fn from(packet: Encoded) -> Self {
        let text = Text::from(packet.text);
        if packet.attachments.is_empty() {
            Self::Text(text)
        } else {
            Self::Compound(text, packet.attachments)
        }
    }
}

impl Outgoing {
    /// How many Engine.IO packets this makes.
    #[must_use]
    pub fn packets(&self) -> usize {
        match self {
            Self::Text(_) | Self::Binary(_) => 1,
            Self::Compound(_, attachments) => 1 + attachments.len(),
        }
    }

    /// Bytes of content.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Compound(text, attachments) => {
                text.len() + attachments.iter().map(Bytes::len).sum::<usize>()
            }
        }
    }
}
