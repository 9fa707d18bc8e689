//! Calls between the components of an application, on a host that does not make them.
//!
//! Our own host calls a component's exports itself. Spin knows one export, `wasi:http/handler`; there
//! the adapters deliver events by an HTTP request to a path that the sdk answers before the
//! component's own routes see it. Such a request is signed with the application's secret, so whoever
//! can reach a component's routes can't forge one.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::percent;
#[cfg(target_family = "wasm")]
pub use crate::wasm::internal::{call, pause, random_hex, random_number, variable};

/// What the paths of these calls start with.
pub const PREFIX: &str = "/.pingtalk/";
/// The header that carries the signature.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub(crate) const SIGNATURE: &str = "pingtalk-signature";
/// Seconds by which two clocks may differ; a call is good for as long.
const TOLERANCE: i64 = 30;
/// Tells these signatures from others made with the same secret.
const PURPOSE: &[u8] = b"pingtalk internal call\n";

/// An event for the component that consumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCall {
    /// Its id: the same over redeliveries.
    pub id: String,
    /// Routing key.
    pub topic: String,
    /// Body, JSON in UTF-8.
    pub payload: String,
    /// 1 on the first delivery.
    pub attempt: u32,
    /// Milliseconds since the epoch.
    pub published_at: i64,
}

/// What the consumer answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", content = "reason", rename_all = "lowercase")]
pub enum EventEnd {
    /// Handled.
    Done,
    /// Again later; why.
    Retry(String),
    /// Never; why.
    Reject(String),
}

/// A client that wants to connect to the component that serves sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectCall {
    /// The socket's public id.
    pub socket: String,
    /// The namespace, as components know it.
    pub namespace: String,
    /// The request's `Cookie` header.
    pub cookie: Option<String>,
    /// The CONNECT packet's payload, JSON.
    pub auth: Option<String>,
    /// The client's address.
    pub remote_address: String,
    /// The request's query.
    pub query: String,
}

/// What the component decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectEnd {
    /// Welcome.
    Session {
        /// The user's id.
        user: String,
        /// Handed back with each event.
        attachment: Binary,
        /// Rooms to join at once.
        rooms: Vec<String>,
    },
    /// Not welcome.
    Refusal {
        /// For the client.
        message: String,
        /// Further JSON.
        data: Option<String>,
    },
}

/// A connected socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketPart {
    /// Its public id.
    pub id: String,
    /// The namespace.
    pub namespace: String,
    /// The user's id.
    pub user: String,
    /// What the component attached to it.
    pub attachment: Binary,
}

/// An event from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveCall {
    /// Who sent it.
    pub socket: SocketPart,
    /// Its name.
    pub name: String,
    /// Its arguments, a JSON array.
    pub arguments: String,
    /// Its binary attachments.
    pub attachments: Vec<Binary>,
    /// Whether the client waits for an answer.
    pub wants_ack: bool,
}

/// The answer to an event, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckPart {
    /// Its arguments, a JSON array.
    pub arguments: String,
    /// Its binary attachments.
    pub attachments: Vec<Binary>,
}

/// A socket that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisconnectCall {
    /// Which.
    pub socket: SocketPart,
    /// Why: a case of `pingtalk:sockets/types.disconnect-reason`.
    pub reason: String,
}

/// Bytes, as hex in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&percent::hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        percent::from_hex(&text).map(Self).ok_or_else(|| serde::de::Error::custom("not hex"))
    }
}

/// A call that is answered by a component of the application.
pub trait Call: Serialize {
    /// Its name, the path's end.
    const NAME: &'static str;
    /// The answer.
    type Answer: for<'de> Deserialize<'de>;
}

impl Call for EventCall {
    const NAME: &'static str = "event";
    type Answer = EventEnd;
}

impl Call for ConnectCall {
    const NAME: &'static str = "connect";
    type Answer = ConnectEnd;
}

impl Call for ReceiveCall {
    const NAME: &'static str = "receive";
    type Answer = Option<AckPart>;
}

impl Call for DisconnectCall {
    const NAME: &'static str = "disconnect";
    type Answer = ();
}

/// Signs a call: the seconds since the epoch and the signature.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub(crate) fn sign(secret: &str, name: &str, now: i64, body: &[u8]) -> Option<String> {
    let mac = mac(secret, name, now, body)?.finalize().into_bytes();
    Some(format!("{now}.{}", percent::hex(&mac)))
}

/// True when the signature is one of the last seconds.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub(crate) fn is_signed(secret: &str, name: &str, now: i64, body: &[u8], signature: &str) -> bool {
    let Some((at, hex)) = signature.split_once('.') else { return false };
    let Ok(at) = at.parse::<i64>() else { return false };
    if at.abs_diff(now) > TOLERANCE.unsigned_abs() {
        return false;
    }
    let (Some(mac), Some(given)) = (mac(secret, name, at, body), percent::from_hex(hex)) else {
        return false;
    };
    // In constant time.
    mac.verify_slice(&given).is_ok()
}

fn mac(secret: &str, name: &str, at: i64, body: &[u8]) -> Option<Hmac<Sha256>> {
    if secret.is_empty() {
        // Everybody could sign with it.
        return None;
    }
    let mac: Hmac<Sha256> = Mac::new_from_slice(secret.as_bytes()).ok()?;
    let head = format!("{name}\n{at}\n");
    Some(mac.chain_update(PURPOSE).chain_update(head).chain_update(body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_was_signed_lately_with_the_secret_counts() {
        let signed = sign("secret", "event", 1_000, b"body").unwrap();
        let good = |secret, name, now, body, signature: &str| {
            is_signed(secret, name, now, body, signature)
        };
        assert!(good("secret", "event", 1_000, b"body", &signed));
        assert!(good("secret", "event", 1_000 + TOLERANCE, b"body", &signed));
        assert!(!good("secret", "event", 1_001 + TOLERANCE, b"body", &signed));
        assert!(!good("secret", "event", 999 - TOLERANCE, b"body", &signed));
        assert!(!good("other", "event", 1_000, b"body", &signed));
        assert!(!good("secret", "socket", 1_000, b"body", &signed));
        assert!(!good("secret", "event", 1_000, b"bodY", &signed));
        for broken in ["", "1000", "1000.", "1000.zz", "x.00", &signed.replacen("1000", "1001", 1)]
        {
            assert!(!good("secret", "event", 1_000, b"body", broken), "{broken}");
        }
        assert_eq!(sign("", "event", 1_000, b"body"), None);
        assert!(!good("", "event", 1_000, b"body", &signed));
    }
}
