//! Changes to a document.
//!
//! Only what a change touches is taken apart; all else is copied byte for byte, in place. New
//! fields go to the end, as in MongoDB.

use std::borrow::Cow;

use pingtalk_capabilities::documents::{Change, DocumentError, Value};

use crate::{
    key,
    path::Path,
    project::{write_document, write_element, write_name},
    raw::{self, Elements, Raw, invalid, kind},
};

/// Most changes in an update.
const MAX_CHANGES: usize = 200;
/// How far beyond its end an array may be written.
const MAX_GAP: usize = 1_000;

/// A document taken apart as far as needed.
pub(crate) struct Draft<'a> {
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    name: Cow<'a, [u8]>,
    node: Node<'a>,
}

enum Node<'a> {
    /// As it was, or a new value.
    Whole(u8, Cow<'a, [u8]>),
    /// A document or an array (whose names are made anew).
    Opened(u8, Vec<Field<'a>>),
}

impl Node<'_> {
    fn whole(value: &Value) -> Result<Self, DocumentError> {
        let (kind, bytes) = raw::encode(value)?;
        Ok(Node::Whole(kind, bytes.into()))
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Node::Whole(kind, bytes) => key::key(Raw { kind: *kind, bytes }),
            Node::Opened(kind, fields) => {
                let mut bytes = Vec::new();
                write_fields(&mut bytes, *kind, fields);
                key::key(Raw { kind: *kind, bytes: &bytes })
            }
        }
    }
}

/// Checks that no two changes touch the same field, as MongoDB does.
pub(crate) fn check(changes: &[Change]) -> Result<Vec<Path>, DocumentError> {
    if changes.len() > MAX_CHANGES {
        return Err(invalid("an update has at most 200 changes"));
    }
    let paths =
        changes.iter().map(|change| Path::parse(path_of(change))).collect::<Result<Vec<_>, _>>()?;
    for (at, path) in paths.iter().enumerate() {
        if paths.iter().take(at).any(|other| path.overlaps(other)) {
            return Err(invalid(format!("two changes touch `{}`", path.names().join("."))));
        }
    }
    Ok(paths)
}

fn path_of(change: &Change) -> &str {
    match change {
        Change::Unset(path)
        | Change::Set(path, _)
        | Change::Increment(path, _)
        | Change::Max(path, _)
        | Change::Push(path, _)
        | Change::AddToSet(path, _)
        | Change::Pull(path, _)
        | Change::SetOnInsert(path, _) => path,
    }
}

impl<'a> Draft<'a> {
    /// A draft of a document.
    pub(crate) fn of(document: &'a [u8]) -> Self {
        Self { fields: open(document) }
    }

    /// Applies changes whose paths were checked. `inserting`: this is an upsert's insert.
    pub(crate) fn apply(
        &mut self,
        changes: &[Change],
        paths: &[Path],
        inserting: bool,
    ) -> Result<(), DocumentError> {
        for (change, path) in changes.iter().zip(paths) {
            self.apply_one(change, path, inserting)?;
        }
        Ok(())
    }

    fn apply_one(
        &mut self,
        change: &Change,
        path: &Path,
        inserting: bool,
    ) -> Result<(), DocumentError> {
        match change {
            Change::Set(_, value) => self.set(path, value),
            Change::SetOnInsert(_, value) if inserting => self.set(path, value),
            Change::SetOnInsert(..) => Ok(()),
            Change::Unset(_) => {
                unset(&mut self.fields, path.names(), false);
                Ok(())
            }
            Change::Increment(_, by) => self.increment(path, *by),
            Change::Max(_, value) => {
                let new = Node::whole(value)?;
                let raise = self.read(path).is_none_or(|old| new.key() > old.key());
                if raise { self.put(path, new) } else { Ok(()) }
            }
            Change::Push(_, value) => {
                let new = Node::whole(value)?;
                self.array(path)?.push(Field { name: Cow::Borrowed(b""), node: new });
                Ok(())
            }
            Change::AddToSet(_, value) => {
                let new = Node::whole(value)?;
                let key = new.key();
                let elements = self.array(path)?;
                if !elements.iter().any(|element| element.node.key() == key) {
                    elements.push(Field { name: Cow::Borrowed(b""), node: new });
                }
                Ok(())
            }
            Change::Pull(_, value) => {
                let key = Node::whole(value)?.key();
                if self.read(path).is_some() {
                    self.array(path)?.retain(|element| element.node.key() != key);
                }
                Ok(())
            }
        }
    }

    /// Sets a field, making the documents on the way.
    pub(crate) fn set(&mut self, path: &Path, value: &Value) -> Result<(), DocumentError> {
        self.put(path, Node::whole(value)?)
    }

    fn put(&mut self, path: &Path, node: Node<'a>) -> Result<(), DocumentError> {
        *reach(&mut self.fields, path.names(), false)? = node;
        Ok(())
    }

    /// The node at a path, without making anything.
    fn read(&mut self, path: &Path) -> Option<&mut Node<'a>> {
        find(&mut self.fields, path.names())
    }

    fn increment(&mut self, path: &Path, by: i64) -> Result<(), DocumentError> {
        let small = |value: i64| i32::try_from(value).map_or(Value::Int64(value), Value::Int32);
        let not_a_number =
            || invalid(format!("`{}` is no number to add to", path.names().join(".")));
        let overflow = || invalid(format!("`{}` would overflow", path.names().join(".")));
        let new = match self.read(path) {
            None => small(by),
            Some(Node::Opened(..)) => return Err(not_a_number()),
            Some(Node::Whole(kind, bytes)) => match *kind {
                kind::INT32 => {
                    let old = i32::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                    small(i64::from(old).checked_add(by).ok_or_else(overflow)?)
                }
                kind::INT64 => {
                    let old = i64::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                    Value::Int64(old.checked_add(by).ok_or_else(overflow)?)
                }
                kind::DOUBLE => {
                    let old = f64::from_le_bytes(*bytes.first_chunk().ok_or_else(not_a_number)?);
                    #[allow(clippy::cast_precision_loss)]
                    Value::Double(old + by as f64)
                }
                _ => return Err(not_a_number()),
            },
        };
        self.set(path, &new)
    }

    /// The elements of the array at a path; a missing field becomes an empty one.
    fn array(&mut self, path: &Path) -> Result<&mut Vec<Field<'a>>, DocumentError> {
        let node = reach(&mut self.fields, path.names(), true)?;
        open_node(node);
        match node {
            Node::Opened(kind::ARRAY, elements) => Ok(elements),
            _ => Err(invalid(format!("`{}` is no array", path.names().join(".")))),
        }
    }

    /// The changed document.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_fields(&mut out, kind::DOCUMENT, &self.fields);
        out
    }
}

fn open(document: &[u8]) -> Vec<Field<'_>> {
    Elements::of(document)
        .map(|element| Field {
            name: Cow::Borrowed(element.name),
            node: Node::Whole(element.value.kind, Cow::Borrowed(element.value.bytes)),
        })
        .collect()
}

/// Takes a document or an array apart; other values stay.
fn open_node(node: &mut Node<'_>) {
    let Node::Whole(kind @ (kind::DOCUMENT | kind::ARRAY), bytes) = node else { return };
    let fields = match bytes {
        Cow::Borrowed(bytes) => open(bytes),
        Cow::Owned(bytes) => Elements::of(bytes)
            .map(|element| Field {
                name: Cow::Owned(element.name.to_vec()),
                node: Node::Whole(element.value.kind, Cow::Owned(element.value.bytes.to_vec())),
            })
            .collect(),
    };
    *node = Node::Opened(*kind, fields);
}

/// Where a name or a position stands among the fields.
fn position(fields: &[Field<'_>], name: &str, array: bool) -> Option<usize> {
    if array {
        name.parse().ok().filter(|at| *at < fields.len())
    } else {
        fields.iter().position(|field| &*field.name == name.as_bytes())
    }
}

fn find<'d, 'a>(fields: &'d mut [Field<'a>], names: &[String]) -> Option<&'d mut Node<'a>> {
    find_in(fields, names, false)
}

fn find_in<'d, 'a>(
    fields: &'d mut [Field<'a>],
    names: &[String],
    array: bool,
) -> Option<&'d mut Node<'a>> {
    let (first, rest) = names.split_first()?;
    let at = position(fields, first, array)?;
    let node = &mut fields.get_mut(at)?.node;
    if rest.is_empty() {
        return Some(node);
    }
    open_node(node);
    match node {
        Node::Opened(kind, fields) => find_in(fields, rest, *kind == kind::ARRAY),
        Node::Whole(..) => None,
    }
}

/// The node at a path, made (as an empty array or null) where it is missing, with the documents on
/// the way.
fn reach<'d, 'a>(
    fields: &'d mut Vec<Field<'a>>,
    names: &[String],
    array: bool,
) -> Result<&'d mut Node<'a>, DocumentError> {
    reach_in(fields, names, false, array)
}

fn reach_in<'d, 'a>(
    fields: &'d mut Vec<Field<'a>>,
    names: &[String],
    in_array: bool,
    make_array: bool,
) -> Result<&'d mut Node<'a>, DocumentError> {
    let no_way = |name: &str| invalid(format!("there can be no field `{name}` in this value"));
    let Some((first, rest)) = names.split_first() else { return Err(no_way("")) };
    let at = match position(fields, first, in_array) {
        Some(at) => at,
        None => {
            if in_array {
                // A position beyond the end: the gap fills with nulls.
                let wanted: usize = first.parse().map_err(|_| no_way(first))?;
                if wanted.saturating_sub(fields.len()) > MAX_GAP {
                    return Err(invalid("an array can't grow by so much at once"));
                }
                fields.resize_with(wanted, || Field {
                    name: Cow::Borrowed(b""),
                    node: Node::Whole(kind::NULL, Cow::Borrowed(b"")),
                });
            }
            let node = match (rest.is_empty(), make_array) {
                (false, _) => Node::Opened(kind::DOCUMENT, Vec::new()),
                (true, true) => Node::Opened(kind::ARRAY, Vec::new()),
                (true, false) => Node::Whole(kind::NULL, Cow::Borrowed(b"")),
            };
            fields.push(Field { name: Cow::Owned(first.clone().into_bytes()), node });
            fields.len() - 1
        }
    };
    let node = &mut fields.get_mut(at).ok_or_else(|| no_way(first))?.node;
    if rest.is_empty() {
        return Ok(node);
    }
    open_node(node);
    match node {
        Node::Opened(kind, fields) => reach_in(fields, rest, *kind == kind::ARRAY, make_array),
        Node::Whole(..) => Err(no_way(rest.first().map_or("", String::as_str))),
    }
}

/// Removes a field. An array's element becomes null instead, so that the others keep their places.
fn unset(fields: &mut Vec<Field<'_>>, names: &[String], array: bool) {
    let Some((first, rest)) = names.split_first() else { return };
    let Some(at) = position(fields, first, array) else { return };
    if rest.is_empty() {
        if array {
            if let Some(field) = fields.get_mut(at) {
                field.node = Node::Whole(kind::NULL, Cow::Borrowed(b""));
            }
        } else {
            fields.remove(at);
        }
    } else if let Some(field) = fields.get_mut(at) {
        open_node(&mut field.node);
        if let Node::Opened(kind, fields) = &mut field.node {
            unset(fields, rest, *kind == kind::ARRAY);
        }
    }
}

fn write_fields(out: &mut Vec<u8>, kind: u8, fields: &[Field<'_>]) {
    write_document(out, |out| {
        for (at, field) in fields.iter().enumerate() {
            let name = if kind == kind::ARRAY {
                Cow::Owned(at.to_string().into_bytes())
            } else {
                Cow::Borrowed(&*field.name)
            };
            match &field.node {
                Node::Whole(kind, bytes) => write_element(out, &name, Raw { kind: *kind, bytes }),
                Node::Opened(kind, fields) => {
                    write_name(out, *kind, &name);
                    write_fields(out, *kind, fields);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::{Document, doc};

    use super::*;

    fn apply(document: Document, changes: &[Change]) -> Result<Document, DocumentError> {
        let bytes = document.to_vec().unwrap();
        let paths = check(changes)?;
        let mut draft = Draft::of(&bytes);
        draft.apply(changes, &paths, false)?;
        let out = draft.encode();
        raw::check_document(&out)?;
        Ok(Document::from_reader(&out[..]).unwrap())
    }

    fn change(document: Document, change: Change) -> Document {
        apply(document, &[change]).unwrap()
    }

    fn set(path: &str, value: i32) -> Change {
        Change::Set(path.to_owned(), Value::Int32(value))
    }

    #[test]
    fn set_keeps_places_and_appends() {
        let document = doc! {"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2]};
        assert_eq!(
            apply(document.clone(), &[set("a", 9), set("b.x", 9), set("c.1", 9), set("d.e", 9)]),
            Ok(doc! {"a": 9, "b": {"x": 9, "y": 2}, "c": [1, 9], "d": {"e": 9}})
        );
        let grown = change(document.clone(), set("c.3", 9));
        assert_eq!(grown.get_array("c").unwrap().len(), 4);
        assert!(apply(document.clone(), &[set("a.x", 9)]).is_err());
        assert!(apply(document.clone(), &[set("c.x", 9)]).is_err());
        assert!(apply(document.clone(), &[set("c.99999999", 9)]).is_err());
        assert!(apply(document.clone(), &[set("b", 1), set("b.x", 1)]).is_err());
        assert!(apply(document, &[set("b", 1), Change::Unset("b".into())]).is_err());
    }

    #[test]
    fn untouched_fields_keep_their_bytes() {
        let document = doc! {"z": 1.0, "a": [{"q": 1_i64}], "m": {"b": 1, "a": 2}, "n": 1};
        let before = document.to_vec().unwrap();
        let changes = [set("n", 2)];
        let mut draft = Draft::of(&before);
        draft.apply(&changes, &check(&changes).unwrap(), false).unwrap();
        let after = draft.encode();
        let mut expected = before.clone();
        // The last field's value: four bytes before the closing zero.
        let at = expected.len() - 5;
        expected.splice(at..at + 4, 2_i32.to_le_bytes());
        assert_eq!(after, expected);
    }

    #[test]
    fn numbers_increase() {
        let up = |document, by| change(document, Change::Increment("n".into(), by));
        assert_eq!(up(doc! {}, 2), doc! {"n": 2});
        assert_eq!(up(doc! {"n": 1}, 2), doc! {"n": 3});
        assert_eq!(up(doc! {"n": i32::MAX}, 1), doc! {"n": i64::from(i32::MAX) + 1});
        assert_eq!(up(doc! {"n": 1_i64}, 2), doc! {"n": 3_i64});
        assert_eq!(up(doc! {"n": 1.5}, 2), doc! {"n": 3.5});
        let bad = |document| apply(document, &[Change::Increment("n".into(), 1)]).is_err();
        assert!(bad(doc! {"n": "1"}) && bad(doc! {"n": null}) && bad(doc! {"n": i64::MAX}));
    }

    #[test]
    fn max_raises_only() {
        let max = |document, value| change(document, Change::Max("n".into(), value));
        assert_eq!(max(doc! {}, Value::Int32(1)), doc! {"n": 1});
        assert_eq!(max(doc! {"n": 5}, Value::Double(4.5)), doc! {"n": 5});
        assert_eq!(max(doc! {"n": 5}, Value::Double(5.5)), doc! {"n": 5.5});
        assert_eq!(max(doc! {"n": 5}, Value::Text("a".into())), doc! {"n": "a"});
    }

    #[test]
    fn arrays_grow_and_shrink() {
        let one =
            |kind: fn(String, Value) -> Change, value| kind("l".to_owned(), Value::Int32(value));
        assert_eq!(change(doc! {}, one(Change::Push, 1)), doc! {"l": [1]});
        assert_eq!(change(doc! {"l": [1]}, one(Change::Push, 1)), doc! {"l": [1, 1]});
        assert_eq!(change(doc! {"l": [1.0]}, one(Change::AddToSet, 1)), doc! {"l": [1.0]});
        assert_eq!(change(doc! {"l": [1]}, one(Change::AddToSet, 2)), doc! {"l": [1, 2]});
        assert_eq!(change(doc! {"l": [1, 2, 1.0]}, one(Change::Pull, 1)), doc! {"l": [2]});
        assert_eq!(change(doc! {}, one(Change::Pull, 1)), doc! {});
        for kind in [Change::Push, Change::AddToSet, Change::Pull] {
            assert!(apply(doc! {"l": 1}, &[kind("l".to_owned(), Value::Int32(1))]).is_err());
        }
    }

    #[test]
    fn unset_removes_or_empties() {
        let document = doc! {"a": 1, "b": {"c": 1, "d": 2}, "l": [1, 2]};
        let gone = |path: &str| change(document.clone(), Change::Unset(path.to_owned()));
        assert_eq!(gone("a"), doc! {"b": {"c": 1, "d": 2}, "l": [1, 2]});
        assert_eq!(gone("b.c"), doc! {"a": 1, "b": {"d": 2}, "l": [1, 2]});
        assert_eq!(gone("l.0"), doc! {"a": 1, "b": {"c": 1, "d": 2}, "l": [bson::Bson::Null, 2]});
        assert_eq!(gone("x.y"), document);
    }
}
