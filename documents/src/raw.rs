//! Encoded BSON, read in place.
//!
//! The store needs the byte span of each element, to leave untouched fields as they are and to
//! skip a 5 MB file without looking at it; the bson crate's iterators hand out decoded values. Documents
//! are checked on their way in ([`check_document`]), so reading a stored one simply stops where
//! its bytes make no sense (a damaged disk).

use crate::{DocumentError, MAX_DOCUMENT_BYTES, Value};

/// Element types, <https://bsonspec.org/spec.html>.
pub(crate) mod kind {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const TEXT: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BINARY: u8 = 0x05;
    pub(crate) const ID: u8 = 0x07;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const DATE: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0a;
    pub(crate) const REGEX: u8 = 0x0b;
    pub(crate) const CODE: u8 = 0x0d;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const TIMESTAMP: u8 = 0x11;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const MIN: u8 = 0xff;
    pub(crate) const MAX: u8 = 0x7f;
}

/// The deepest nesting, as in MongoDB.
const MAX_DEPTH: usize = 100;

/// A value: its type and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    pub(crate) kind: u8,
    pub(crate) bytes: &'a [u8],
}

/// A named value of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Raw<'a>,
}

/// The elements of a document or an array, in order.
#[derive(Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) fn of(document: &'a [u8]) -> Self {
        Self { rest: document.get(4..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, rest) = split_element(self.rest)?;
        self.rest = rest;
        Some(element)
    }
}

/// The first field of this name.
pub(crate) fn get<'a>(document: &'a [u8], name: &[u8]) -> Option<Raw<'a>> {
    Elements::of(document).find(|element| element.name == name).map(|element| element.value)
}

/// Splits the first element off. None at the closing zero, or where the bytes make no sense.
fn split_element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    if kind == 0 {
        return None;
    }
    let (name, rest) = split_text(rest)?;
    let (value, rest) = rest.split_at_checked(size(kind, rest)?)?;
    Some((Element { name, value: Raw { kind, bytes: value } }, rest))
}

/// Splits off text that ends with a zero byte.
pub(crate) fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// How many bytes a value takes; None for a type this store does not keep.
fn size(kind: u8, bytes: &[u8]) -> Option<usize> {
    Some(match kind {
        kind::NULL | kind::MIN | kind::MAX => 0,
        kind::BOOLEAN => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => 8,
        kind::ID => 12,
        kind::TEXT | kind::CODE => length(bytes)?.checked_add(4)?,
        kind::BINARY => length(bytes)?.checked_add(5)?,
        kind::DOCUMENT | kind::ARRAY => length(bytes)?,
        kind::REGEX => {
            let (pattern, rest) = split_text(bytes)?;
            let (options, _) = split_text(rest)?;
            pattern.len() + options.len() + 2
        }
        _ => return None,
    })
}

fn length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(*bytes.first_chunk()?)).ok()
}

/// The text of a string value, without length and closing zero.
pub(crate) fn text(bytes: &[u8]) -> &[u8] {
    bytes.get(4..bytes.len().saturating_sub(1)).unwrap_or_default()
}

/// Checks a whole document: lengths, closing zeros, UTF-8, types, depth and size.
pub(crate) fn check_document(document: &[u8]) -> Result<(), DocumentError> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(invalid("a document is at most 16 MiB"));
    }
    check_nested(document, 0)
}

fn check_nested(document: &[u8], depth: usize) -> Result<(), DocumentError> {
    if depth > MAX_DEPTH {
        return Err(invalid("a document nests at most 100 levels deep"));
    }
    if length(document) != Some(document.len()) || document.len() < 5 {
        return Err(invalid("a BSON document's length does not fit its bytes"));
    }
    let mut rest = document.get(4..).unwrap_or_default();
    while rest != [0] {
        let Some((element, after)) = split_element(rest) else {
            return Err(unreadable(rest));
        };
        check_value(element, depth)?;
        rest = after;
    }
    Ok(())
}

fn unreadable(rest: &[u8]) -> DocumentError {
    match rest.first() {
        Some(0x06 | 0x0c | 0x0e | 0x0f | 0x13) => invalid(
            "Decimal128 and the deprecated BSON types are not supported by the embedded store",
        ),
        _ => invalid("malformed BSON"),
    }
}

fn check_value(element: Element<'_>, depth: usize) -> Result<(), DocumentError> {
    let utf8 = |bytes: &[u8]| {
        std::str::from_utf8(bytes).map(drop).map_err(|_| invalid("BSON text must be UTF-8"))
    };
    utf8(element.name)?;
    let bytes = element.value.bytes;
    match element.value.kind {
        kind::TEXT | kind::CODE => {
            if bytes.len() < 5 || bytes.last() != Some(&0) {
                return Err(invalid("malformed BSON text"));
            }
            utf8(text(bytes))
        }
        kind::DOCUMENT => check_nested(bytes, depth + 1),
        kind::ARRAY => {
            check_nested(bytes, depth + 1)?;
            let in_order = Elements::of(bytes)
                .enumerate()
                .all(|(at, element)| element.name == at.to_string().as_bytes());
            if in_order { Ok(()) } else { Err(invalid("a BSON array's keys count from 0")) }
        }
        kind::BOOLEAN if !matches!(bytes, [0 | 1]) => Err(invalid("malformed BSON boolean")),
        kind::REGEX => utf8(bytes),
        _ => Ok(()),
    }
}

/// Encodes a value as an element has it: type and bytes.
pub(crate) fn encode(value: &Value) -> Result<(u8, Vec<u8>), DocumentError> {
    Ok(match value {
        Value::Null => (kind::NULL, Vec::new()),
        Value::Boolean(value) => (kind::BOOLEAN, vec![u8::from(*value)]),
        Value::Int32(value) => (kind::INT32, value.to_le_bytes().to_vec()),
        Value::Int64(value) => (kind::INT64, value.to_le_bytes().to_vec()),
        Value::Double(value) => (kind::DOUBLE, value.to_le_bytes().to_vec()),
        Value::Text(value) => {
            let size = i32::try_from(value.len() + 1)
                .map_err(|_| invalid("a document is at most 16 MiB"))?;
            let mut bytes = Vec::with_capacity(value.len() + 5);
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
            (kind::TEXT, bytes)
        }
        Value::Id(value) => (kind::ID, value.0.to_vec()),
        Value::Date(value) => (kind::DATE, value.to_le_bytes().to_vec()),
        Value::Document(value) => {
            check_document(value)?;
            (kind::DOCUMENT, value.to_vec())
        }
        Value::Array(value) => {
            check_document(value)?;
            let element = Element { name: b"", value: Raw { kind: kind::ARRAY, bytes: value } };
            check_value(element, 0)?;
            (kind::ARRAY, value.to_vec())
        }
    })
}

/// The caller's fault, said in words.
pub(crate) fn invalid(text: impl Into<String>) -> DocumentError {
    DocumentError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use bson::{doc, spec::BinarySubtype};

    use super::*;

    #[test]
    fn reads_what_the_bson_crate_writes() {
        let document = doc! {
            "a": 1, "b": 2_i64, "c": 3.5, "d": "text", "e": {"x": [1, {"y": null}]}, "f": true,
            "g": bson::oid::ObjectId::new(), "h": bson::DateTime::now(),
            "i": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] },
            "j": bson::Regex { pattern: bson::cstr!("^a").into(), options: bson::cstr!("i").into() },
            "k": bson::Timestamp { time: 1, increment: 2 }, "l": bson::Bson::MaxKey,
        };
        let bytes = document.to_vec().unwrap();
        check_document(&bytes).unwrap();
        let names: Vec<_> = Elements::of(&bytes).map(|element| element.name.to_vec()).collect();
        let expected: Vec<_> = document.keys().map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn refuses_every_truncation_and_survives_every_flipped_byte() {
        let bytes = doc! {"a": [1, 2], "b": {"c": "text"}, "d": true}.to_vec().unwrap();
        for end in 0..bytes.len() {
            assert!(check_document(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                // Either refused or readable to the end; never a panic.
                if check_document(&damaged).is_ok() {
                    assert!(Elements::of(&damaged).count() <= 3);
                }
            }
        }
    }

    #[test]
    fn refuses_deep_nesting_and_unsupported_types() {
        let mut deep = doc! {};
        for _ in 0..102 {
            deep = doc! {"a": deep};
        }
        assert!(check_document(&deep.to_vec().unwrap()).is_err());
        let decimal: bson::Decimal128 = "1.5".parse().unwrap();
        assert!(check_document(&doc! {"a": decimal}.to_vec().unwrap()).is_err());
    }
}
