//! Reads packets, joining binary events with the attachments that follow them.
//!
//! What is refused is what the reference decoder refuses (socket.io-parser 4.2): unknown types,
//! payloads of the wrong shape, reserved event names, text between a binary event and its
//! attachments, attachments out of the blue; further everything beyond our bounds.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{Malformed, Message, encode, json, kind};

/// Longest namespace a client may name, in bytes.
const MAX_NAMESPACE_BYTES: usize = 200;
/// Longest event name, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// The namespace a packet names, as the client spells it.
pub type Namespace = Cow<'static, str>;

/// A whole packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Wants to connect, with this auth payload.
    Connect {
        /// Where.
        namespace: Namespace,
        /// A JSON object.
        auth: Option<String>,
    },
    /// Leaves a namespace.
    Disconnect {
        /// Which.
        namespace: Namespace,
    },
    /// An event.
    Event {
        /// Where.
        namespace: Namespace,
        /// Name, arguments, attachments.
        message: Message,
        /// Set when the client waits for an ack.
        ack: Option<u64>,
    },
    /// Anything well formed that means nothing here: acks (none were asked for), events without
    /// a payload.
    Nothing {
        /// Where.
        namespace: Namespace,
    },
}

/// How much a client may send as one packet.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Attachments of one packet.
    pub attachments: usize,
    /// Bytes of all of a packet's attachments.
    pub attachment_bytes: usize,
}

/// Reads one connection's packets.
#[derive(Debug)]
pub struct Decoder {
    bounds: Bounds,
    partial: Option<Partial>,
}

/// A binary packet whose attachments are still arriving.
#[derive(Debug)]
struct Partial {
    packet: Incoming,
    attachments: Vec<Bytes>,
    expected: usize,
    bytes: usize,
}

impl Decoder {
    /// A reader within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, partial: None }
    }

    /// Takes a text packet. None when attachments must follow.
    ///
    /// # Errors
    /// A packet that breaks the protocol or a bound.
    pub fn text(&mut self, text: &str) -> Result<Option<Incoming>, Malformed> {
        if self.partial.is_some() {
            return Err(Malformed("text where an attachment was due"));
        }
        let (packet, expected) = packet(text, self.bounds.attachments)?;
        if expected == 0 {
            return Ok(Some(packet));
        }
        let attachments = Vec::with_capacity(expected);
        self.partial = Some(Partial { packet, attachments, expected, bytes: 0 });
        Ok(None)
    }

    /// Takes an attachment. Some when it was the last of its packet.
    ///
    /// # Errors
    /// An attachment that belongs to no packet, or goes over the bound.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Incoming>, Malformed> {
        let Some(partial) = &mut self.partial else {
            return Err(Malformed("an attachment without its packet"));
        };
        partial.bytes += bytes.len();
        if partial.bytes > self.bounds.attachment_bytes {
            return Err(Malformed("attachments too large"));
        }
        partial.attachments.push(bytes);
        if partial.attachments.len() < partial.expected {
            return Ok(None);
        }
        Ok(self.partial.take().map(|mut whole| {
            if let Incoming::Event { message, .. } = &mut whole.packet {
                message.attachments = whole.attachments;
            }
            whole.packet
        }))
    }
}

/// A packet's text, and how many attachments follow it.
fn packet(text: &str, max_attachments: usize) -> Result<(Incoming, usize), Malformed> {
    let mut rest = text.chars();
    let kind = rest.next().ok_or(Malformed("an empty packet"))?;
    let rest = rest.as_str();
    let (attachments, rest) = match kind {
        kind::BINARY_EVENT | kind::BINARY_ACK => attachment_count(rest, max_attachments)?,
        _ => (0, rest),
    };
    let (namespace, rest) = namespace(rest)?;
    let (id, payload) = ack_id(rest)?;
    let packet = match kind {
        kind::CONNECT => {
            let auth = if payload.is_empty() {
                None
            } else {
                json::object(payload)?;
                Some(payload.to_owned())
            };
            Incoming::Connect { namespace, auth }
        }
        kind::DISCONNECT if payload.is_empty() => Incoming::Disconnect { namespace },
        kind::DISCONNECT => return Err(Malformed("a disconnect packet with a payload")),
        kind::EVENT | kind::BINARY_EVENT if payload.is_empty() => Incoming::Nothing { namespace },
        kind::EVENT | kind::BINARY_EVENT => {
            Incoming::Event { namespace, message: message(payload, attachments)?, ack: id }
        }
        kind::ACK | kind::BINARY_ACK => {
            if !payload.is_empty() {
                json::array(payload, attachments)?;
            }
            Incoming::Nothing { namespace }
        }
        kind::CONNECT_ERROR => return Err(Malformed("a packet only servers send")),
        _ => return Err(Malformed("an unknown packet type")),
    };
    Ok((packet, attachments))
}

/// `2-` before the namespace of a binary packet.
fn attachment_count(text: &str, most: usize) -> Result<(usize, &str), Malformed> {
    let (count, rest) = text.split_once('-').ok_or(Malformed("illegal attachments"))?;
    if count.is_empty() || !count.bytes().all(|c| c.is_ascii_digit()) {
        return Err(Malformed("illegal attachments"));
    }
    match count.parse() {
        Ok(count) if count <= most => Ok((count, rest)),
        _ => Err(Malformed("too many attachments")),
    }
}

/// `/name,` or nothing, which means `/`.
fn namespace(text: &str) -> Result<(Namespace, &str), Malformed> {
    if !text.starts_with('/') {
        return Ok((Cow::Borrowed("/"), text));
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    if name.len() > MAX_NAMESPACE_BYTES {
        return Err(Malformed("namespace too long"));
    }
    let name = if name == "/" { Cow::Borrowed("/") } else { Cow::Owned(name.to_owned()) };
    Ok((name, rest))
}

/// Leading digits.
fn ack_id(text: &str) -> Result<(Option<u64>, &str), Malformed> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (id, rest) = text.split_at_checked(digits).unwrap_or(("", text));
    if id.is_empty() {
        return Ok((None, rest));
    }
    let id = id.parse().map_err(|_| Malformed("ack id too large"))?;
    Ok((Some(id), rest))
}

fn message(payload: &str, attachments: usize) -> Result<Message, Malformed> {
    let array = json::array(payload, attachments)?;
    let first = array.first.ok_or(Malformed("an event without a name"))?;
    // The reference takes numbers as names, too.
    let name = match first.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(first)
            .map_err(|_| Malformed("an event name that is no text"))?,
        Some(b'-' | b'0'..=b'9') => first.to_owned(),
        _ => return Err(Malformed("an event name that is no text")),
    };
    if name.len() > MAX_NAME_BYTES || encode::is_reserved(&name) {
        return Err(Malformed("an event name that is not allowed"));
    }
    let mut arguments = String::with_capacity(array.rest.len() + 2);
    arguments.push('[');
    arguments.push_str(array.rest);
    arguments.push(']');
    Ok(Message { name, arguments, attachments: Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const BOUNDS: Bounds = Bounds { attachments: 10, attachment_bytes: 1000 };

    fn one(text: &str) -> Result<Option<Incoming>, Malformed> {
        Decoder::new(BOUNDS).text(text)
    }

    fn event(namespace: &'static str, arguments: &str, ack: Option<u64>) -> Incoming {
        let message =
            Message { name: "m".into(), arguments: arguments.into(), attachments: Vec::new() };
        Incoming::Event { namespace: Cow::Borrowed(namespace), message, ack }
    }

    #[test]
    fn well_formed() {
        let connect = |namespace: &'static str, auth: Option<&str>| Incoming::Connect {
            namespace: Cow::Borrowed(namespace),
            auth: auth.map(str::to_owned),
        };
        for (text, packet) in [
            ("0", connect("/", None)),
            ("0{\"token\":\"1\"}", connect("/", Some("{\"token\":\"1\"}"))),
            ("0/chat", connect("/chat", None)),
            ("0/chat/,{}", connect("/chat/", Some("{}"))),
            ("1", Incoming::Disconnect { namespace: Cow::Borrowed("/") }),
            ("1/a,", Incoming::Disconnect { namespace: Cow::Borrowed("/a") }),
            ("2[\"m\"]", event("/", "[]", None)),
            ("2[\"m\",1,\"2\"]", event("/", "[1,\"2\"]", None)),
            ("2/a,12[\"m\",{}]", event("/a", "[{}]", Some(12))),
            ("2", Incoming::Nothing { namespace: Cow::Borrowed("/") }),
            ("31[]", Incoming::Nothing { namespace: Cow::Borrowed("/") }),
            ("50-[\"m\"]", event("/", "[]", None)),
        ] {
            assert_eq!(one(text), Ok(Some(packet)), "{text}");
        }
    }

    #[test]
    fn malformed() {
        for text in [
            "",
            "abc",
            "7",
            "2{}",
            "2[]",
            "2[{}]",
            "2[null]",
            "2[\"connect\"]",
            "2[\"disconnect\"]",
            "2abc[\"m\"]",
            "2[\"m\"",
            "2[\"m\"]x",
            "0[]",
            "0\"x\"",
            "1{}",
            "4{\"message\":\"x\"}",
            "5[\"m\"]",
            "5x-[\"m\"]",
            "5-[\"m\"]",
            "511-[\"m\"]",
            "51-[\"m\",{\"_placeholder\":true,\"num\":1}]",
            "2[\"m\",{\"_placeholder\":true,\"num\":0}]",
            "299999999999999999999999[\"m\"]",
            "é",
        ] {
            assert!(one(text).is_err(), "{text}");
        }
        assert!(one(&format!("0/{}", "n".repeat(300))).is_err());
    }

    #[test]
    fn attachments_join_their_event() {
        let mut decoder = Decoder::new(BOUNDS);
        let text = r#"52-["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        assert_eq!(decoder.text(text), Ok(None));
        assert_eq!(decoder.binary(Bytes::from_static(b"a")), Ok(None));
        let whole = decoder.binary(Bytes::from_static(b"b")).unwrap().unwrap();
        let Incoming::Event { message, .. } = whole else { panic!("{whole:?}") };
        assert_eq!(message.attachments, [Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        assert!(decoder.binary(Bytes::new()).is_err());
        assert_eq!(decoder.text("51-[\"m\"]"), Ok(None));
        assert!(decoder.text("2[\"m\"]").is_err());
    }

    #[test]
    fn attachments_are_bounded() {
        let mut decoder = Decoder::new(BOUNDS);
        assert_eq!(decoder.text("52-[\"m\"]"), Ok(None));
        assert_eq!(decoder.binary(Bytes::from(vec![0; 900])), Ok(None));
        assert!(decoder.binary(Bytes::from(vec![0; 101])).is_err());
    }

    /// Random packets never panic, and whatever is accepted has arguments that are an array.
    #[test]
    fn survives_noise() {
        let pieces = [
            "0",
            "1",
            "2",
            "3",
            "5",
            "6",
            "-",
            "/a",
            ",",
            "[",
            "]",
            "\"m\"",
            "{",
            "}",
            ":",
            "1",
            "12",
            "é",
            "\"connect\"",
            "{\"_placeholder\":true,\"num\":0}",
            " ",
        ];
        let mut random = StdRng::seed_from_u64(11);
        let mut events = 0;
        for _ in 0..300_000 {
            let length = random.random_range(0..8);
            let mut text: String =
                (0..length).map(|_| pieces[random.random_range(0..pieces.len())]).collect();
            if random.random_bool(0.5) {
                text = format!("2[\"m\",{text}]");
            }
            if let Ok(Some(Incoming::Event { message, .. })) = one(&text) {
                let parsed: serde_json::Value = serde_json::from_str(&message.arguments).unwrap();
                assert!(parsed.is_array());
                events += 1;
            }
        }
        assert!(events > 1_000, "{events}");
    }
}
