//! Engine.IO packets in an HTTP body (protocol revision 4, "HTTP long-polling"): joined by the record
//! separator, binary ones in base64 after a `b`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Between two packets of a body.
const SEPARATOR: char = '\u{1e}';

/// A packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromClient<'b> {
    /// `1`: the session ends.
    Close,
    /// `3`: the answer to a heartbeat.
    Pong,
    /// `4`: a message.
    Text(&'b str),
    /// `b`: a binary message, in base64 and decoded.
    Binary(&'b str, Vec<u8>),
}

/// Takes a body apart; none if a packet in it is none.
pub(crate) fn read(body: &str) -> Option<Vec<FromClient<'_>>> {
    body.split(SEPARATOR)
        .map(|packet| {
            let (kind, rest) = packet.split_at_checked(1)?;
            Some(match kind {
                "1" => FromClient::Close,
                "3" => FromClient::Pong,
                "4" => FromClient::Text(rest),
                "b" => FromClient::Binary(rest, STANDARD.decode(rest).ok()?),
                _ => return None,
            })
        })
        .collect()
}

/// Adds a packet to a body.
pub(crate) fn add(body: &mut String, packet: &str) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    body.push_str(packet);
}
