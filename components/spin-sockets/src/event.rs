//! An event as it is kept until it goes out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pingtalk_packets::{Malformed, Message};
use serde::{Deserialize, Serialize};

/// A message whose attachments are text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    name: String,
    arguments: String,
    /// In base64, as Engine.IO's polling sends them.
    attachments: Vec<String>,
}

impl Event {
    pub(crate) fn new(name: String, arguments: String, attachments: &[Vec<u8>]) -> Self {
        let attachments = attachments.iter().map(|bytes| STANDARD.encode(bytes)).collect();
        Self { name, arguments, attachments }
    }

    /// The Engine.IO packets that carry it to a client of a namespace, as that client spells it.
    pub(crate) fn packets(&self, spelling: &str) -> Result<Vec<String>, Malformed> {
        let message = Message {
            name: self.name.clone(),
            arguments: self.arguments.clone(),
            attachments: Vec::new(),
        };
        // Their number is all that the packet's text tells of them.
        let placeholders = vec![Default::default(); self.attachments.len()].into();
        let packet = pingtalk_packets::event(spelling, &message, &placeholders)?;
        let attachments = self.attachments.iter().map(|text| format!("b{text}"));
        Ok(std::iter::once(format!("4{}", packet.text)).chain(attachments).collect())
    }

    /// As text, for a table.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a table.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// An event on its way to many: written once for each spelling of the namespace.
pub(crate) struct Encoded<'e> {
    event: &'e Event,
    packets: Vec<(String, Vec<String>)>,
}

impl<'e> Encoded<'e> {
    pub(crate) fn new(event: &'e Event) -> Self {
        Self { event, packets: Vec::new() }
    }

    /// The packets for a client that spells the namespace so.
    pub(crate) fn packets(&mut self, spelling: &str) -> &[String] {
        let at = self.packets.iter().position(|(known, _)| known == spelling);
        let at = at.unwrap_or_else(|| {
            // It was checked before it was kept.
            let packets = self.event.packets(spelling).unwrap_or_default();
            self.packets.push((spelling.to_owned(), packets));
            self.packets.len() - 1
        });
        self.packets.get(at).map_or(&[], |(_, packets)| packets)
    }
}
