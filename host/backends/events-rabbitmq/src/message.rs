//! Events as messages, and messages as events.
//!
//! What we publish looks as what the original publishes: persistent, `application/json`, the payload's
//! bytes as they are, so that its consumers take it. What only we need is in the message id, the
//! timestamp and `x-pingtalk-*` headers. What we consume may have none of it: neither id nor type.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use pingtalk_capabilities::events::{DeadLetter, Event};
use sha2::{Digest as _, Sha256};

/// The routing key at first, once a message went through the default exchange.
const TOPIC: &str = "x-pingtalk-topic";
/// Milliseconds since the epoch; the timestamp property has seconds only.
const PUBLISHED_AT: &str = "x-pingtalk-published-at";
/// Settled deliveries before.
const ATTEMPTS: &str = "x-pingtalk-attempts";
/// Deliveries that ended without an answer, where the queue does not count them.
const RETURNS: &str = "x-pingtalk-returns";
/// Why the last attempt failed.
const REASON: &str = "x-pingtalk-reason";
const DIED_AT: &str = "x-pingtalk-died-at";
/// A quorum queue's count of the deliveries that came back.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// How often, why and from where the broker itself dead-lettered a message, the latest first.
const BROKER_DEATHS: &str = "x-death";

/// AMQP's mark for messages that survive the broker.
const PERSISTENT: u8 = 2;
/// Longest reason kept, in bytes.
const MAX_REASON_BYTES: usize = 2_000;
/// Longest id taken as it is, in bytes.
const MAX_ID_BYTES: usize = 255;

/// A message as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// With the attempt that this delivery is.
    pub(crate) event: Event,
    /// False when its publisher gave no id: then the same content has the same id.
    pub(crate) has_id: bool,
    /// Deliveries that ended without an answer, as far as somebody counted.
    pub(crate) returns: u32,
    /// Whether the queue counts them.
    pub(crate) counted: bool,
    content_type: Option<ShortString>,
    /// Of other publishers, kept when we move the message.
    foreign: BTreeMap<ShortString, AMQPValue>,
    reason: Option<String>,
    died_at: Option<i64>,
}

/// What is noted on a message when we move it to another queue.
#[derive(Debug, Default)]
pub(crate) struct Note<'a> {
    pub(crate) attempts: u32,
    pub(crate) returns: u32,
    pub(crate) reason: Option<&'a str>,
    pub(crate) died_at: Option<i64>,
}

/// An event's properties on its way into the exchange.
pub(crate) fn fresh(event: &Event) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(PUBLISHED_AT.into(), AMQPValue::LongLongInt(event.published_at));
    properties(event.published_at, headers)
        .with_content_type("application/json".into())
        .with_message_id(event.id.as_str().into())
}

impl Message {
    /// Reads a delivery. What is missing is made up in a way that is the same over redeliveries.
    pub(crate) fn read(routing_key: &str, properties: &BasicProperties, payload: Vec<u8>) -> Self {
        let nothing = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&nothing).inner();
        let topic = text(headers.get(TOPIC))
            .or_else(|| died_with(headers.get(BROKER_DEATHS)))
            .unwrap_or_else(|| routing_key.to_owned());
        let given = properties.message_id().as_ref().map(ShortString::as_str);
        let given = given.filter(|id| !id.is_empty());
        let id = given.map_or_else(|| digest(&topic, &payload), str::to_owned);
        let seconds = properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
        let published_at = number(headers.get(PUBLISHED_AT))
            .or_else(|| seconds.map(|seconds| seconds.saturating_mul(1_000)))
            .unwrap_or_else(now);
        let count = |name: &str| number(headers.get(name)).and_then(|n| u32::try_from(n).ok());
        let counted = count(DELIVERY_COUNT);
        let foreign = headers.iter().filter(|(name, _)| !name.as_str().starts_with("x-"));
        Self {
            event: Event {
                id,
                topic,
                payload: Bytes::from(payload),
                attempt: count(ATTEMPTS).unwrap_or(0).saturating_add(1),
                published_at,
            },
            has_id: given.is_some(),
            returns: counted.or_else(|| count(RETURNS)).unwrap_or(0),
            counted: counted.is_some(),
            content_type: properties.content_type().clone(),
            foreign: foreign.map(|(name, value)| (name.clone(), value.clone())).collect(),
            reason: text(headers.get(REASON)).or_else(|| {
                headers
                    .contains_key(BROKER_DEATHS)
                    .then(|| "refused by another consumer".to_owned())
            }),
            died_at: number(headers.get(DIED_AT)),
        }
    }

    /// The properties under which it goes on to another queue.
    pub(crate) fn moved(&self, note: &Note<'_>) -> BasicProperties {
        let mut headers = FieldTable::from(self.foreign.clone());
        let mut add = |name: &str, value: AMQPValue| {
            headers.insert(name.into(), value);
        };
        add(TOPIC, long(&self.event.topic));
        add(PUBLISHED_AT, AMQPValue::LongLongInt(self.event.published_at));
        for (name, count) in [(ATTEMPTS, note.attempts), (RETURNS, note.returns)] {
            if count > 0 {
                add(name, AMQPValue::LongLongInt(i64::from(count)));
            }
        }
        if let Some(reason) = note.reason {
            add(REASON, long(cut(reason)));
        }
        if let Some(died_at) = note.died_at {
            add(DIED_AT, AMQPValue::LongLongInt(died_at));
        }
        let properties = properties(self.event.published_at, headers);
        let properties = match &self.content_type {
            Some(kind) => properties.with_content_type(kind.clone()),
            None => properties,
        };
        // An id that was made up stays so: it is made up again, the same.
        if self.has_id {
            properties.with_message_id(self.event.id.as_str().into())
        } else {
            properties
        }
    }

    /// As a dead letter of a queue.
    pub(crate) fn dead(self, queue: &str) -> DeadLetter {
        let attempt = self.event.attempt.saturating_sub(1);
        DeadLetter {
            queue: queue.to_owned(),
            // Without a note, another consumer gave it up, and we don't know when.
            died_at: self.died_at.unwrap_or(self.event.published_at),
            reason: self.reason.unwrap_or_default(),
            event: Event { attempt, ..self.event },
        }
    }
}

fn properties(published_at: i64, headers: FieldTable) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(u64::try_from(published_at / 1_000).unwrap_or(0))
        .with_headers(headers)
}

/// True for an id that fits a message.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}

/// The id of a message that came without one.
fn digest(topic: &str, payload: &[u8]) -> String {
    let mut digest = Sha256::new();
    // The length keeps topic and payload apart.
    digest.update((topic.len() as u64).to_be_bytes());
    digest.update(topic.as_bytes());
    digest.update(payload);
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The routing key with which the broker dead-lettered a message first.
fn died_with(deaths: Option<&AMQPValue>) -> Option<String> {
    let AMQPValue::FieldArray(deaths) = deaths? else { return None };
    let AMQPValue::FieldTable(first) = deaths.as_slice().last()? else { return None };
    let AMQPValue::FieldArray(keys) = first.inner().get("routing-keys")? else { return None };
    text(keys.as_slice().first())
}

fn text(value: Option<&AMQPValue>) -> Option<String> {
    match value? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn number(value: Option<&AMQPValue>) -> Option<i64> {
    match *value? {
        AMQPValue::ShortShortInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => Some(n.into()),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => Some(n),
        _ => None,
    }
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            id: "e-1".to_owned(),
            topic: "request.accepted".to_owned(),
            payload: Bytes::from_static(b"{\"requestId\":1}"),
            attempt: 0,
            published_at: 1_700_000_000_123,
        }
    }

    fn read(key: &str, properties: &BasicProperties) -> Message {
        Message::read(key, properties, event().payload.to_vec())
    }

    #[test]
    fn an_event_survives_its_moves() {
        let message = read("request.accepted", &fresh(&event()));
        assert_eq!(message.event, Event { attempt: 1, ..event() });
        let note = Note { attempts: 1, returns: 3, reason: Some("later"), died_at: None };
        let again = read("chat.request.accepted", &message.moved(&note));
        assert_eq!(again.event, Event { attempt: 2, ..event() });
        assert_eq!((again.returns, again.counted), (3, false));
        let note = Note { attempts: 2, died_at: Some(7), reason: Some("never"), returns: 0 };
        let dead = read("q.dead", &again.moved(&note)).dead("q");
        assert_eq!(dead.event, Event { attempt: 2, ..event() });
        assert_eq!((dead.queue.as_str(), dead.reason.as_str(), dead.died_at), ("q", "never", 7));
    }

    #[test]
    fn what_we_publish_looks_like_the_originals() {
        let properties = fresh(&event());
        assert_eq!(
            properties.content_type().as_ref().map(ShortString::as_str),
            Some("application/json")
        );
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(1_700_000_000));
        assert_eq!(*properties.content_encoding(), None);
    }

    #[test]
    fn a_message_without_an_id_keeps_the_one_made_up() {
        let bare = read("request.accepted", &BasicProperties::default());
        assert_eq!(bare.event.id.len(), 64);
        assert!(!bare.has_id);
        assert_eq!(read("request.accepted", &BasicProperties::default()).event.id, bare.event.id);
        assert_ne!(read("request.rejected", &BasicProperties::default()).event.id, bare.event.id);
        let moved = bare.moved(&Note { attempts: 1, ..Note::default() });
        assert_eq!((moved.message_id(), moved.content_type()), (&None, &None));
        let again = read("chat.request.accepted", &moved);
        assert_eq!((again.event.id, again.event.attempt), (bare.event.id, 2));
    }

    #[test]
    fn what_another_consumer_gave_up_is_a_dead_letter() {
        let mut death = FieldTable::default();
        let keys = vec![long("request.accepted")];
        death.insert("routing-keys".into(), AMQPValue::FieldArray(keys.into()));
        let mut headers = FieldTable::default();
        let deaths = vec![AMQPValue::FieldTable(death)];
        headers.insert(BROKER_DEATHS.into(), AMQPValue::FieldArray(deaths.into()));
        headers.insert("traceparent".into(), long("00"));
        let message = read("q.dead", &BasicProperties::default().with_headers(headers));
        assert_eq!(message.event.topic, "request.accepted");
        let moved = message.moved(&Note::default());
        let kept = moved.headers().as_ref().map(|headers| {
            (headers.contains_key("traceparent"), headers.contains_key(BROKER_DEATHS))
        });
        assert_eq!(kept, Some((true, false)));
        assert_eq!(message.dead("q").reason, "refused by another consumer");
    }

    #[test]
    fn reasons_are_cut_at_a_character() {
        let reason = "\u{e4}".repeat(MAX_REASON_BYTES);
        assert_eq!(cut(&reason).len(), MAX_REASON_BYTES);
        assert_eq!(cut(&format!("x{reason}")).len(), MAX_REASON_BYTES - 1);
        assert_eq!(cut("short"), "short");
    }
}
