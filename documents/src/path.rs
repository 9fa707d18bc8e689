//! Paths into documents, and the values they reach.
//!
//! As in MongoDB, a path goes through arrays: `a.b` reaches `b` of every document in the array
//! `a`, and a path that ends at an array reaches its elements as well as the whole.

use crate::{
    DocumentError,
    key::{self, rank},
    raw::{Elements, Raw, get, invalid, kind},
};

/// Longest path, in bytes.
const MAX_BYTES: usize = 255;

/// Names to follow, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// Splits text at its dots.
    pub(crate) fn parse(text: &str) -> Result<Self, DocumentError> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        let wrong = |name: &String| name.is_empty() || name.starts_with('$') || name.contains('\0');
        if text.len() > MAX_BYTES || names.iter().any(wrong) {
            return Err(invalid(format!(
                "`{}` is no path: names joined by dots, none empty or starting with $",
                text.chars().take(64).collect::<String>()
            )));
        }
        Ok(Self(names))
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// True when one path leads to or through the other's target.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, two)| one == two)
    }
}

/// Something a path reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reached<'a> {
    /// The way ends before the field.
    Missing,
    /// A value that stands at the path itself; also a whole array, when elements aren't asked for.
    Value(Raw<'a>),
    /// An element of an array at the path.
    Element(Raw<'a>),
    /// The whole array, after its elements.
    Whole(Raw<'a>),
}

/// Shows `see` everything the path reaches, until it returns true. With `elements`, an array at the
/// path is shown by element, then whole.
pub(crate) fn visit<'a>(
    document: &'a [u8],
    names: &[String],
    elements: bool,
    see: &mut dyn FnMut(Reached<'a>) -> bool,
) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    match get(document, first.as_bytes()) {
        None => see(Reached::Missing),
        Some(value) => follow(value, rest, elements, see),
    }
}

fn follow<'a>(
    value: Raw<'a>,
    names: &[String],
    elements: bool,
    see: &mut dyn FnMut(Reached<'a>) -> bool,
) -> bool {
    let Some((first, rest)) = names.split_first() else {
        if value.kind != kind::ARRAY || !elements {
            return see(Reached::Value(value));
        }
        return Elements::of(value.bytes).any(|element| see(Reached::Element(element.value)))
            || see(Reached::Whole(value));
    };
    match value.kind {
        kind::DOCUMENT => visit(value.bytes, names, elements, see),
        kind::ARRAY => Elements::of(value.bytes).any(|element| {
            (element.value.kind == kind::DOCUMENT
                && visit(element.value.bytes, names, elements, see))
                // A number in a path is also a position.
                || (element.name == first.as_bytes()
                    && follow(element.value, rest, elements, see))
        }),
        _ => see(Reached::Missing),
    }
}

/// The keys of a field, for an index or for sorting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Distinct, ascending, at least one: null for a missing field, a key below null for an
    /// empty array.
    pub(crate) keys: Vec<Vec<u8>>,
    /// An array lies on the way or at the end.
    pub(crate) array: bool,
    /// The field is there (null counts).
    pub(crate) present: bool,
}

/// All keys of the field at a path.
pub(crate) fn keys(document: &[u8], path: &Path) -> Keys {
    let mut found = Keys { keys: Vec::with_capacity(1), array: false, present: false };
    visit(document, path.names(), true, &mut |reached| {
        match reached {
            Reached::Missing => found.keys.push(key::NULL.to_vec()),
            Reached::Value(value) => {
                found.present = true;
                found.keys.push(key::key(value));
            }
            Reached::Element(value) => {
                found.present = true;
                found.array = true;
                found.keys.push(key::key(value));
            }
            Reached::Whole(value) => {
                found.present = true;
                found.array = true;
                if Elements::of(value.bytes).next().is_none() {
                    found.keys.push(vec![rank::NOTHING]);
                }
            }
        }
        false
    });
    if found.keys.len() != 1 {
        // Several values, or none: an array lay on the way.
        found.array = true;
        found.keys.sort_unstable();
        found.keys.dedup();
        if found.keys.is_empty() {
            found.keys.push(key::NULL.to_vec());
        }
    } else if path.names().len() > 1 && !found.array {
        found.array = crosses_array(document, path.names());
    }
    found
}

/// True when an array lies on the way, even one that leads to a single value.
fn crosses_array(document: &[u8], names: &[String]) -> bool {
    let mut document = document;
    for name in names {
        match get(document, name.as_bytes()) {
            Some(Raw { kind: kind::DOCUMENT, bytes }) => document = bytes,
            Some(Raw { kind: kind::ARRAY, .. }) => return true,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::{Bson, Document, doc};

    use super::*;

    fn keys_of(document: Document, path: &str) -> Keys {
        keys(&document.to_vec().unwrap(), &Path::parse(path).unwrap())
    }

    fn key_of(value: impl Into<Bson>) -> Vec<u8> {
        keys_of(doc! {"v": value.into()}, "v").keys.remove(0)
    }

    #[test]
    fn reaches_fields_elements_and_through_arrays() {
        let document = doc! {"a": {"b": 1}, "l": [2, 1, 2], "d": [{"b": 1}, {"c": 2}, 3], "e": []};
        assert_eq!(keys_of(document.clone(), "a.b").keys, [key_of(1)]);
        assert!(!keys_of(document.clone(), "a.b").array);
        assert_eq!(keys_of(document.clone(), "l").keys, [key_of(1), key_of(2)]);
        assert!(keys_of(document.clone(), "l").array);
        assert_eq!(keys_of(document.clone(), "l.1").keys, [key_of(1)]);
        assert_eq!(keys_of(document.clone(), "d.b").keys, [key::NULL.to_vec(), key_of(1)]);
        assert_eq!(keys_of(document.clone(), "e").keys, [vec![rank::NOTHING]]);
        assert!(keys_of(document.clone(), "e").present);
        assert_eq!(keys_of(document.clone(), "x.y").keys, [key::NULL.to_vec()]);
        assert!(!keys_of(document.clone(), "x.y").present);
        assert_eq!(keys_of(document, "l.x").keys, [key::NULL.to_vec()]);
        assert!(keys_of(doc! {"a": [{"b": 1}]}, "a.b").array);
    }

    #[test]
    fn refuses_what_could_be_an_operator() {
        for wrong in ["", ".", "a.", ".a", "a..b", "$where", "a.$b", "a\0"] {
            assert!(Path::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Path::parse(&"a".repeat(256)).is_err());
    }
}
