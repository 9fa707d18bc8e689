//! Keys: values encoded so that comparing bytes compares values.
//!
//! One encoding serves index entries, filters and sorting, so they can't disagree. It follows
//! MongoDB's comparison order (<https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>):
//! a byte for the type, in which all numbers share one, then the value. Two values are equal exactly
//! when their keys are. No key is a prefix of another, so that keys can be joined, and none
//! contains [`ABOVE`] where a type byte could stand, so that `key + ABOVE` lies above all joined keys.

use crate::raw::{Elements, Raw, kind, split_text, text};

/// Greater than any type byte.
pub(crate) const ABOVE: u8 = 0xff;

/// Type bytes in MongoDB's order.
pub(crate) mod rank {
    pub(crate) const MIN: u8 = 1;
    /// An empty array's only element: below null.
    pub(crate) const NOTHING: u8 = 2;
    pub(crate) const NULL: u8 = 5;
    pub(crate) const NUMBER: u8 = 10;
    pub(crate) const TEXT: u8 = 15;
    pub(crate) const DOCUMENT: u8 = 20;
    pub(crate) const ARRAY: u8 = 25;
    pub(crate) const BINARY: u8 = 30;
    pub(crate) const ID: u8 = 35;
    pub(crate) const BOOLEAN: u8 = 40;
    pub(crate) const DATE: u8 = 45;
    pub(crate) const TIMESTAMP: u8 = 47;
    pub(crate) const REGEX: u8 = 50;
    pub(crate) const CODE: u8 = 60;
    pub(crate) const MAX: u8 = 127;
}

/// The key of null and of a missing field.
pub(crate) const NULL: &[u8] = &[rank::NULL];
/// The key of NaN: below all numbers.
pub(crate) const NAN: &[u8] = &[rank::NUMBER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Ends a document, an array and text; below all type bytes.
const END: u8 = 0;

/// The type byte of a value.
pub(crate) fn rank_of(kind: u8) -> u8 {
    match kind {
        kind::MIN => rank::MIN,
        kind::DOUBLE | kind::INT32 | kind::INT64 => rank::NUMBER,
        kind::TEXT => rank::TEXT,
        kind::DOCUMENT => rank::DOCUMENT,
        kind::ARRAY => rank::ARRAY,
        kind::BINARY => rank::BINARY,
        kind::ID => rank::ID,
        kind::BOOLEAN => rank::BOOLEAN,
        kind::DATE => rank::DATE,
        kind::TIMESTAMP => rank::TIMESTAMP,
        kind::REGEX => rank::REGEX,
        kind::CODE => rank::CODE,
        kind::MAX => rank::MAX,
        _ => rank::NULL,
    }
}

/// The key of a value.
pub(crate) fn key(value: Raw<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.bytes.len() + 4);
    append(&mut out, value);
    out
}

/// Appends the key of a value.
pub(crate) fn append(out: &mut Vec<u8>, value: Raw<'_>) {
    out.push(rank_of(value.kind));
    append_payload(out, value);
}

fn append_payload(out: &mut Vec<u8>, Raw { kind, bytes }: Raw<'_>) {
    match kind {
        kind::DOUBLE => append_double(out, f64::from_le_bytes(chunk(bytes))),
        kind::INT32 => append_integer(out, i32::from_le_bytes(chunk(bytes)).into()),
        kind::INT64 => append_integer(out, i64::from_le_bytes(chunk(bytes))),
        kind::TEXT | kind::CODE => append_text(out, text(bytes)),
        kind::DOCUMENT => {
            // MongoDB compares field by field: first the type, then the name, then the value.
            for element in Elements::of(bytes) {
                out.push(rank_of(element.value.kind));
                append_text(out, element.name);
                append_payload(out, element.value);
            }
            out.push(END);
        }
        kind::ARRAY => {
            for element in Elements::of(bytes) {
                append(out, element.value);
            }
            out.push(END);
        }
        kind::BINARY => {
            // Length, subtype, bytes.
            out.extend(bytes.iter().take(4).rev());
            out.extend_from_slice(bytes.get(4..).unwrap_or_default());
        }
        kind::DATE => {
            let sortable = i64::from_le_bytes(chunk(bytes)) ^ i64::MIN;
            out.extend_from_slice(&sortable.to_be_bytes());
        }
        kind::TIMESTAMP => {
            out.extend_from_slice(&u64::from_le_bytes(chunk(bytes)).to_be_bytes());
        }
        kind::REGEX => {
            let (pattern, rest) = split_text(bytes).unwrap_or_default();
            append_text(out, pattern);
            append_text(out, split_text(rest).unwrap_or_default().0);
        }
        kind::ID | kind::BOOLEAN => out.extend_from_slice(bytes),
        _ => {}
    }
}

/// The start of `bytes`; zeros where it is too short, which a checked document never is.
fn chunk<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// A zero inside text becomes `00 FF`, the end is `00`: nothing that follows an end is `FF`.
fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    for (at, part) in text.split(|byte| *byte == 0).enumerate() {
        if at > 0 {
            out.extend_from_slice(&[0, 0xff]);
        }
        out.extend_from_slice(part);
    }
    out.push(END);
}

/// A number is the nearest double, made sortable, and how far off that is: a 64-bit integer can differ
/// from its nearest double by up to 512, which compares exactly across integers and doubles.
fn append_number(out: &mut Vec<u8>, nearest: f64, off_by: i16) {
    let bits = if nearest == 0.0 { 0 } else { nearest.to_bits() };
    let sortable = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.extend_from_slice(&sortable.to_be_bytes());
    out.extend_from_slice(&(off_by ^ i16::MIN).to_be_bytes());
}

fn append_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(&[0; 10]);
    } else {
        append_number(out, value, 0);
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn append_integer(out: &mut Vec<u8>, value: i64) {
    let nearest = value as f64;
    let off_by = i128::from(value) - nearest as i128;
    append_number(out, nearest, off_by as i16);
}

/// The integer that starts a key; None when it is no number, or one beyond 64 bits.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn integer(key: &[u8]) -> Option<i64> {
    let rest = key.strip_prefix(&[rank::NUMBER])?;
    let sortable = u64::from_be_bytes(*rest.first_chunk()?);
    let off_by = i16::from_be_bytes(*rest.get(8..)?.first_chunk()?) ^ i16::MIN;
    let bits = if sortable >> 63 == 1 { sortable & !(1 << 63) } else { !sortable };
    let nearest = f64::from_bits(bits);
    if !nearest.is_finite() {
        return None;
    }
    i64::try_from(nearest.floor() as i128 + i128::from(off_by)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use bson::{Bson, doc};

    use super::*;

    fn key_of(value: impl Into<Bson>) -> Vec<u8> {
        let document = doc! {"v": value.into()}.to_vec().unwrap();
        key(crate::raw::get(&document, b"v").unwrap())
    }

    #[test]
    fn orders_like_mongodb() {
        let id =
            |last: u8| bson::oid::ObjectId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        let binary = |bytes: &[u8]| {
            Bson::Binary(bson::Binary {
                subtype: bson::spec::BinarySubtype::Generic,
                bytes: bytes.to_vec(),
            })
        };
        let ascending: Vec<Bson> = vec![
            Bson::MinKey,
            Bson::Null,
            f64::NAN.into(),
            f64::NEG_INFINITY.into(),
            i64::MIN.into(),
            (i64::MIN + 1).into(),
            (-1.5).into(),
            (-1).into(),
            (-0.5).into(),
            0.into(),
            f64::MIN_POSITIVE.into(),
            1.into(),
            1.5.into(),
            2_i64.into(),
            9_007_199_254_740_992.0.into(),
            9_007_199_254_740_993_i64.into(),
            9_007_199_254_740_994_i64.into(),
            (i64::MAX - 1).into(),
            i64::MAX.into(),
            9_223_372_036_854_775_808.0.into(),
            f64::INFINITY.into(),
            "".into(),
            "\0".into(),
            "\0a".into(),
            "a".into(),
            "a\0".into(),
            "a\0b".into(),
            "a\u{1}".into(),
            "aa".into(),
            "b".into(),
            doc! {}.into(),
            doc! {"a": 1}.into(),
            doc! {"a": 1, "b": 1}.into(),
            doc! {"a": 2}.into(),
            doc! {"b": 1}.into(),
            doc! {"a": "x"}.into(),
            Bson::Array(vec![]),
            vec![Bson::from(1)].into(),
            vec![Bson::from(1), Bson::from(1)].into(),
            vec![Bson::from(2)].into(),
            binary(&[9]),
            binary(&[1, 2]),
            id(1).into(),
            id(2).into(),
            false.into(),
            true.into(),
            bson::DateTime::from_millis(-1).into(),
            bson::DateTime::from_millis(0).into(),
            bson::DateTime::from_millis(1).into(),
            Bson::Timestamp(bson::Timestamp { time: 1, increment: 9 }),
            Bson::Timestamp(bson::Timestamp { time: 2, increment: 1 }),
            Bson::MaxKey,
        ];
        for (at, low) in ascending.iter().enumerate() {
            for high in &ascending[at + 1..] {
                assert!(key_of(low.clone()) < key_of(high.clone()), "{low:?} < {high:?}");
                // Also when more follows, and below the bound made of the lower one.
                let joined = [key_of(low.clone()), key_of("z")].concat();
                let bound = [key_of(low.clone()), vec![ABOVE]].concat();
                assert!(joined < key_of(high.clone()), "{low:?}.. < {high:?}");
                assert!(joined < bound && bound < key_of(high.clone()), "{low:?}.. {high:?}");
            }
        }
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        assert_eq!(key_of(5), key_of(5_i64));
        assert_eq!(key_of(5), key_of(5.0));
        assert_eq!(key_of(0.0), key_of(-0.0));
        assert_eq!(key_of(1_i64 << 60), key_of((1_i64 << 60) as f64));
        assert_eq!(key_of(f64::NAN), NAN);
        assert_eq!(key_of(Bson::Null), NULL);
        assert_eq!(key_of(doc! {"a": 1}), key_of(doc! {"a": 1.0}));
    }

    #[test]
    fn integers_come_back() {
        for value in [0, 1, -1, 7, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1] {
            assert_eq!(integer(&key_of(value)), Some(value));
        }
        assert_eq!(integer(&key_of(3.0)), Some(3));
        assert_eq!(integer(&key_of("3")), None);
    }
}
