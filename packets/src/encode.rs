//! Writes packets. `namespace` is the client's own spelling of it (`/chat/` stays `/chat/`).

use std::sync::Arc;

use bytes::Bytes;

use crate::{Ack, Malformed, Message, Refusal, json, kind};

/// A packet for a client: its text, and the attachments that must follow with nothing in between.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The packet.
    pub text: String,
    /// Its attachments.
    pub attachments: Arc<[Bytes]>,
}

impl From<String> for Encoded {
    fn from(text: String) -> Self {
        Self { text, attachments: Arc::from([]) }
    }
}

/// Event names with a meaning of their own in socket.io clients; they may neither be received nor
/// sent (socket.io-parser's RESERVED_EVENTS).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// True for an event name that may not be sent.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Type digit, attachment count, namespace.
fn head(kind: char, attachments: usize, namespace: &str, room_for: usize) -> String {
    let mut text = String::with_capacity(room_for + namespace.len() + 8);
    text.push(kind);
    if matches!(kind, kind::BINARY_EVENT | kind::BINARY_ACK) {
        text.push_str(&attachments.to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    text
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    // Serialising a string into memory can't fail.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// CONNECT: the answer that tells a client its public id.
#[must_use]
pub fn connect(namespace: &str, socket: &str) -> Encoded {
    let mut text = head(kind::CONNECT, 0, namespace, 40);
    text.push_str("{\"sid\":");
    text.push_str(&quoted(socket));
    text.push('}');
    text.into()
}

/// CONNECT_ERROR. Further data that is not JSON is left out.
#[must_use]
pub fn connect_error(namespace: &str, refusal: &Refusal) -> Encoded {
    let mut text = head(kind::CONNECT_ERROR, 0, namespace, refusal.message.len() + 32);
    text.push_str("{\"message\":");
    text.push_str(&quoted(&refusal.message));
    if let Some(data) = refusal.data.as_deref().filter(|data| json::value(data).is_ok()) {
        text.push_str(",\"data\":");
        text.push_str(data);
    }
    text.push('}');
    text.into()
}

/// DISCONNECT: tells a client not to come back by itself.
#[must_use]
pub fn disconnect(namespace: &str) -> Encoded {
    head(kind::DISCONNECT, 0, namespace, 0).into()
}

/// EVENT or BINARY_EVENT.
///
/// # Errors
/// When the arguments are no JSON array or point at missing attachments.
pub fn event(
    namespace: &str,
    message: &Message,
    attachments: &Arc<[Bytes]>,
) -> Result<Encoded, Malformed> {
    let arguments = json::array(&message.arguments, attachments.len())?.all;
    let kind = if attachments.is_empty() { kind::EVENT } else { kind::BINARY_EVENT };
    let name = quoted(&message.name);
    let mut text = head(kind, attachments.len(), namespace, name.len() + arguments.len() + 8);
    text.push('[');
    text.push_str(&name);
    if !arguments.trim_ascii().is_empty() {
        text.push(',');
        text.push_str(arguments);
    }
    text.push(']');
    Ok(Encoded { text, attachments: Arc::clone(attachments) })
}

/// ACK or BINARY_ACK.
///
/// # Errors
/// When the arguments are no JSON array or point at missing attachments.
pub fn ack(namespace: &str, id: u64, ack: Ack) -> Result<Encoded, Malformed> {
    let arguments = json::array(&ack.arguments, ack.attachments.len())?.all;
    let kind = if ack.attachments.is_empty() { kind::ACK } else { kind::BINARY_ACK };
    let mut text = head(kind, ack.attachments.len(), namespace, arguments.len() + 24);
    text.push_str(&id.to_string());
    text.push('[');
    text.push_str(arguments);
    text.push(']');
    Ok(Encoded { text, attachments: Arc::from(ack.attachments) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    fn text(packet: &Encoded) -> &str {
        &packet.text
    }

    fn message(name: &str, arguments: &str) -> Message {
        Message { name: name.into(), arguments: arguments.into(), attachments: Vec::new() }
    }

    #[test]
    fn events() {
        let none: Arc<[Bytes]> = Arc::from([]);
        let plain = event("/", &message("a\"b", "[1,\"2\"]"), &none).unwrap();
        assert_eq!(text(&plain), r#"2["a\"b",1,"2"]"#);
        let bare = event("/chat/", &message("a", "[ ]"), &none).unwrap();
        assert_eq!(text(&bare), r#"2/chat/,["a"]"#);
        let one: Arc<[Bytes]> = Arc::from([Bytes::from_static(b"x")]);
        let binary = event("/", &message("a", r#"[{"_placeholder":true,"num":0}]"#), &one).unwrap();
        assert_eq!(text(&binary), r#"51-["a",{"_placeholder":true,"num":0}]"#);
        assert!(event("/", &message("a", "{}"), &none).is_err());
        assert!(event("/", &message("a", r#"[{"_placeholder":true,"num":0}]"#), &none).is_err());
    }

    #[test]
    fn control_packets() {
        assert_eq!(text(&connect("/", "id")), r#"0{"sid":"id"}"#);
        assert_eq!(text(&connect("/chat", "id")), r#"0/chat,{"sid":"id"}"#);
        let refusal = Refusal { message: "no".into(), data: Some("{\"a\":1}".into()) };
        assert_eq!(text(&connect_error("/", &refusal)), r#"4{"message":"no","data":{"a":1}}"#);
        let broken = Refusal { message: "no".into(), data: Some("{".into()) };
        assert_eq!(text(&connect_error("/x", &broken)), r#"4/x,{"message":"no"}"#);
        assert_eq!(text(&disconnect("/")), "1");
        let reply = Ack { arguments: "[1,[2]]".into(), attachments: Vec::new() };
        assert_eq!(text(&ack("/x", 12, reply).unwrap()), "3/x,12[1,[2]]");
    }
}
