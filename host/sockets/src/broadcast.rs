//! One event on its way to many: encoded once for each spelling of the namespace, then shared.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pingtalk_capabilities::sockets::Message;
use pingtalk_packets::Malformed;

use crate::{
    spellings::{Spelling, Spellings},
    transport::Outgoing,
};

/// An event for any number of sockets.
#[derive(Debug)]
pub(crate) struct Broadcast {
    message: Message,
    attachments: Arc<[Bytes]>,
    frames: Box<[OnceLock<Outgoing>]>,
    bytes: usize,
}

impl Broadcast {
    /// Checks the message and encodes it for the first namespace, the usual one.
    pub(crate) fn new(mut message: Message, spellings: &Spellings) -> Result<Self, Malformed> {
        let attachments: Arc<[Bytes]> = Arc::from(std::mem::take(&mut message.attachments));
        let usual = Spelling(0);
        let frame = pingtalk_packets::event(spellings.text(usual), &message, &attachments)?;
        let frame = Outgoing::from(frame);
        let bytes = frame.bytes();
        let frames: Box<[OnceLock<Outgoing>]> =
            (0..spellings.len()).map(|_| OnceLock::new()).collect();
        if let Some(slot) = frames.first() {
            let _ = slot.set(frame);
        }
        Ok(Self { message, attachments, frames, bytes })
    }

    /// The frame for a spelling.
    pub(crate) fn frame(&self, spelling: Spelling, spellings: &Spellings) -> Option<Outgoing> {
        let slot = self.frames.get(spelling.0)?;
        if let Some(frame) = slot.get() {
            return Some(frame.clone());
        }
        let text = spellings.text(spelling);
        // It was encoded before, for another spelling.
        let frame = pingtalk_packets::event(text, &self.message, &self.attachments).ok()?.into();
        Some(slot.get_or_init(|| frame).clone())
    }

    /// Its name and arguments, and its attachments.
    pub(crate) fn parts(&self) -> (&Message, &[Bytes]) {
        (&self.message, &self.attachments)
    }

    /// Bytes of one recipient's frame.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
