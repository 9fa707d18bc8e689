//! Redis's answers as entries of a stream.

use std::fmt;

use bytes::Bytes;
use redis::Value;

use crate::entry::{BODY, Entry, HEADER};

/// An entry's id: when Redis took it, in milliseconds, and which one of that millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) millis: u64,
    number: u64,
}

impl Id {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, number: number.parse().ok()? })
    }

    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::BulkString(bytes) => Self::parse(bytes),
            _ => None,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// What `XREAD` answered about one stream; nothing new is an empty list. None when that is no
/// such answer.
pub(crate) fn read(answer: Value) -> Option<Vec<Value>> {
    match answer {
        Value::Nil => Some(Vec::new()),
        Value::Array(streams) => match streams.into_iter().next() {
            None => Some(Vec::new()),
            Some(Value::Array(parts)) => match parts.into_iter().nth(1)? {
                Value::Array(entries) => Some(entries),
                _ => None,
            },
            Some(_) => None,
        },
        _ => None,
    }
}

/// One entry of `XREAD` or `XRANGE`; the content is None when no host of this version wrote it.
pub(crate) fn entry(value: Value) -> Option<(Id, Option<(Entry, Bytes)>)> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let id = Id::of(&parts.next()?)?;
    let Some(Value::Array(fields)) = parts.next() else { return Some((id, None)) };
    let (mut header, mut body) = (None, Bytes::new());
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
        (fields.next(), fields.next())
    {
        match &*name {
            HEADER => header = Entry::decode(Bytes::from(value)),
            BODY => body = Bytes::from(value),
            _ => {}
        }
    }
    Some((id, header.map(|header| (header, body))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;
    use crate::entry::{Kind, Origin};

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    #[test]
    fn ids_are_ordered_by_number_not_by_text() {
        let id = |text: &str| Id::parse(text.as_bytes()).unwrap();
        assert!(id("9-0") < id("10-0") && id("10-9") < id("10-10"));
        assert_eq!(id("1700000000000-3").to_string(), "1700000000000-3");
        for text in ["", "1", "-", "a-1", "1-1-1"] {
            assert_eq!(Id::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn answers() {
        let header = Entry {
            kind: Kind::Notice,
            origin: Origin(7),
            count: 3,
            head: Bytes::from_static(b"head"),
        };
        let fields = vec![bulk(b"h"), bulk(&header.encode()), bulk(b"b"), bulk(b"body")];
        let ours = Value::Array(vec![bulk(b"5-1"), Value::Array(fields)]);
        let foreign =
            Value::Array(vec![bulk(b"6-0"), Value::Array(vec![bulk(b"by"), bulk(b"hand")])]);
        let answer =
            Value::Array(vec![Value::Array(vec![bulk(b"key"), Value::Array(vec![ours, foreign])])]);
        let entries: Vec<_> =
            read(answer).unwrap().into_iter().map(|e| entry(e).unwrap()).collect();
        let body = Bytes::from_static(b"body");
        assert_eq!(entries[0], (Id::parse(b"5-1").unwrap(), Some((header, body))));
        assert_eq!(entries[1], (Id::parse(b"6-0").unwrap(), None));
        assert_eq!(read(Value::Nil), Some(Vec::new()));
        assert_eq!(read(Value::Int(1)), None);
    }
}
