//! A document taken apart as far as a change reaches into it.
//!
//! All else is copied byte for byte, in place. New fields go to the end, as in MongoDB.

use std::borrow::Cow;

use crate::{
    DocumentError, Value, key,
    path::Path,
    project::{write_document, write_element, write_name},
    raw::{self, Elements, Raw, invalid, kind},
};

/// How far beyond its end an array may be written.
const MAX_GAP: usize = 1_000;

/// A document to change.
pub(crate) struct Draft<'a> {
    fields: Vec<Field<'a>>,
}

/// A field, or an element of an array, whose name then means nothing: arrays are numbered anew.
pub(crate) struct Field<'a> {
    name: Cow<'a, [u8]>,
    node: Node<'a>,
}

/// A value.
pub(crate) enum Node<'a> {
    /// As it was, or a new one.
    Whole(u8, Cow<'a, [u8]>),
    /// A document or an array taken apart.
    Opened(u8, Vec<Field<'a>>),
}

impl<'a> Node<'a> {
    /// A new value.
    pub(crate) fn new(value: &Value) -> Result<Self, DocumentError> {
        let (kind, bytes) = raw::encode(value)?;
        Ok(Node::Whole(kind, bytes.into()))
    }

    pub(crate) fn key(&self) -> Vec<u8> {
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

/// The elements of an array in a draft.
pub(crate) struct Array<'d, 'a>(&'d mut Vec<Field<'a>>);

impl<'a> Array<'_, 'a> {
    pub(crate) fn push(&mut self, node: Node<'a>) {
        self.0.push(Field { name: Cow::Borrowed(b""), node });
    }

    /// True when an element has this key.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.0.iter().any(|element| element.node.key() == key)
    }

    /// Removes the elements with this key.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.retain(|element| element.node.key() != key);
    }
}

impl<'a> Draft<'a> {
    /// A draft of a document.
    pub(crate) fn of(document: &'a [u8]) -> Self {
        Self { fields: open(document) }
    }

    /// Sets a field, making the documents on the way.
    pub(crate) fn set(&mut self, path: &Path, value: &Value) -> Result<(), DocumentError> {
        self.put(path, Node::new(value)?)
    }

    /// Puts a value in a field, making the documents on the way.
    pub(crate) fn put(&mut self, path: &Path, node: Node<'a>) -> Result<(), DocumentError> {
        *reach(&mut self.fields, path.names(), false, false)? = node;
        Ok(())
    }

    /// The value at a path, without making anything.
    pub(crate) fn read(&mut self, path: &Path) -> Option<&mut Node<'a>> {
        find(&mut self.fields, path.names(), false)
    }

    /// Removes a field. An array's element becomes null instead, so that the others keep their
    /// places.
    pub(crate) fn unset(&mut self, path: &Path) {
        unset(&mut self.fields, path.names(), false);
    }

    /// The array at a path; a missing field becomes an empty one.
    pub(crate) fn array(&mut self, path: &Path) -> Result<Array<'_, 'a>, DocumentError> {
        let node = reach(&mut self.fields, path.names(), false, true)?;
        open_node(node);
        match node {
            Node::Opened(kind::ARRAY, elements) => Ok(Array(elements)),
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

/// Where a name stands among the fields, or a position among the elements.
fn position(fields: &[Field<'_>], name: &str, array: bool) -> Option<usize> {
    if array {
        place(name).filter(|at| *at < fields.len())
    } else {
        fields.iter().position(|field| &*field.name == name.as_bytes())
    }
}

/// A name that is a position: digits and nothing else.
fn place(name: &str) -> Option<usize> {
    name.parse().ok().filter(|at: &usize| at.to_string() == name)
}

/// The node at a path, where there is one.
fn find<'d, 'a>(
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
        Node::Opened(kind, fields) => find(fields, rest, *kind == kind::ARRAY),
        Node::Whole(..) => None,
    }
}

/// The node at a path, made (as an empty array or as null) where it is missing, with the documents on
/// the way.
fn reach<'d, 'a>(
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
                let wanted = place(first).ok_or_else(|| no_way(first))?;
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
        Node::Opened(kind, fields) => reach(fields, rest, *kind == kind::ARRAY, make_array),
        Node::Whole(..) => Err(no_way(rest.first().map_or("", String::as_str))),
    }
}

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
