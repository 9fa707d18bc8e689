//! Projections: which fields of a document leave the store. Applied before a document is copied,
//! so that a history without files costs little.

use bytes::Bytes;

use crate::{
    DocumentError, Query,
    path::Path,
    raw::{Elements, Raw, invalid, kind},
};

/// Most fields in a projection.
const MAX_FIELDS: usize = 200;

/// What to return of a document.
#[derive(Debug, Clone)]
pub(crate) enum Projection {
    Everything,
    Include(Tree),
    Exclude(Tree),
}

/// Paths by their first names. A leaf stands for the whole value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree(Vec<(String, Option<Tree>)>);

impl Projection {
    /// Checks the query's lists.
    pub(crate) fn new(query: &Query) -> Result<Self, DocumentError> {
        match (query.include.is_empty(), query.exclude.is_empty()) {
            (true, true) => Ok(Self::Everything),
            (false, true) => {
                let mut tree = Tree::new(&query.include)?;
                tree.add(&["_id".to_owned()]);
                Ok(Self::Include(tree))
            }
            (true, false) => Ok(Self::Exclude(Tree::new(&query.exclude)?)),
            (false, false) => Err(invalid("a query has either `include` or `exclude`")),
        }
    }

    /// Copies what is asked for.
    pub(crate) fn apply(&self, document: &[u8]) -> Bytes {
        match self {
            Self::Everything => Bytes::copy_from_slice(document),
            Self::Include(tree) => {
                let mut out = Vec::new();
                tree.include(document, false, &mut out);
                out.into()
            }
            Self::Exclude(tree) => {
                let mut out = Vec::new();
                tree.exclude(document, &mut out);
                out.into()
            }
        }
    }
}

impl Tree {
    fn new(paths: &[String]) -> Result<Self, DocumentError> {
        if paths.len() > MAX_FIELDS {
            return Err(invalid("a projection has at most 200 fields"));
        }
        let mut tree = Self::default();
        for path in paths {
            tree.add(Path::parse(path)?.names());
        }
        Ok(tree)
    }

    /// Adds a path; a shorter one swallows those below it.
    fn add(&mut self, names: &[String]) {
        let Some((first, rest)) = names.split_first() else { return };
        let below = match self.0.iter().position(|(name, _)| name == first) {
            Some(at) => self.0.get_mut(at),
            None => {
                self.0.push((first.clone(), Some(Self::default())));
                self.0.last_mut()
            }
        };
        let Some((_, below)) = below else { return };
        if rest.is_empty() {
            *below = None;
        } else if let Some(tree) = below {
            tree.add(rest);
        }
    }

    fn get(&self, name: &[u8]) -> Option<&Option<Self>> {
        self.0.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, below)| below)
    }

    fn include(&self, document: &[u8], elements: bool, out: &mut Vec<u8>) {
        let mut kept = 0_usize;
        write_document(out, |out| {
            for element in Elements::of(document) {
                let below = if elements {
                    Some(self)
                } else {
                    match self.get(element.name) {
                        Some(None) => {
                            write_element(out, element.name, element.value);
                            continue;
                        }
                        Some(Some(tree)) => Some(tree),
                        None => None,
                    }
                };
                let Some(tree) = below else { continue };
                // Of an array the documents stay, each projected; a scalar has no such field.
                let nested = match element.value.kind {
                    kind::DOCUMENT => false,
                    kind::ARRAY => true,
                    _ => continue,
                };
                let name =
                    if elements { kept.to_string().into_bytes() } else { element.name.to_vec() };
                kept += 1;
                write_name(out, element.value.kind, &name);
                tree.include(element.value.bytes, nested, out);
            }
        });
    }

    fn exclude(&self, document: &[u8], out: &mut Vec<u8>) {
        write_document(out, |out| {
            for element in Elements::of(document) {
                match (self.get(element.name), element.value.kind) {
                    (Some(None), _) => {}
                    (Some(Some(tree)), kind::DOCUMENT) => {
                        write_name(out, kind::DOCUMENT, element.name);
                        tree.exclude(element.value.bytes, out);
                    }
                    (Some(Some(tree)), kind::ARRAY) => {
                        write_name(out, kind::ARRAY, element.name);
                        tree.exclude_elements(element.value.bytes, out);
                    }
                    _ => write_element(out, element.name, element.value),
                }
            }
        });
    }

    fn exclude_elements(&self, array: &[u8], out: &mut Vec<u8>) {
        write_document(out, |out| {
            for element in Elements::of(array) {
                match element.value.kind {
                    kind::DOCUMENT => {
                        write_name(out, kind::DOCUMENT, element.name);
                        self.exclude(element.value.bytes, out);
                    }
                    kind::ARRAY => {
                        write_name(out, kind::ARRAY, element.name);
                        self.exclude_elements(element.value.bytes, out);
                    }
                    _ => write_element(out, element.name, element.value),
                }
            }
        });
    }
}

/// Writes a document around what `fill` writes.
pub(crate) fn write_document(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    out.push(0);
    // What is built here is about as long as what it is built from, so far below 2 GiB.
    let length = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
    if let Some(header) = out.get_mut(start..start + 4) {
        header.copy_from_slice(&length.to_le_bytes());
    }
}

/// Writes an element.
pub(crate) fn write_element(out: &mut Vec<u8>, name: &[u8], value: Raw<'_>) {
    write_name(out, value.kind, name);
    out.extend_from_slice(value.bytes);
}

/// Writes the start of an element.
pub(crate) fn write_name(out: &mut Vec<u8>, kind: u8, name: &[u8]) {
    out.push(kind);
    out.extend_from_slice(name);
    out.push(0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::{Document, doc};

    use super::*;

    fn project(include: &[&str], exclude: &[&str]) -> Document {
        let document = doc! {
            "_id": 1, "a": {"b": 1, "c": 2}, "l": [{"b": 1, "c": 2}, 5, [{"b": 3}]], "s": 7,
        };
        let own = |list: &[&str]| list.iter().map(|path| (*path).to_owned()).collect();
        let query = Query { include: own(include), exclude: own(exclude), ..Query::default() };
        let bytes = Projection::new(&query).unwrap().apply(&document.to_vec().unwrap());
        crate::raw::check_document(&bytes).unwrap();
        Document::from_reader(&bytes[..]).unwrap()
    }

    #[test]
    fn includes() {
        assert_eq!(project(&["s"], &[]), doc! {"_id": 1, "s": 7});
        assert_eq!(project(&["a.b"], &[]), doc! {"_id": 1, "a": {"b": 1}});
        assert_eq!(project(&["a.b", "a"], &[]), doc! {"_id": 1, "a": {"b": 1, "c": 2}});
        assert_eq!(project(&["s.x"], &[]), doc! {"_id": 1});
        assert_eq!(project(&["l.b"], &[]), doc! {"_id": 1, "l": [{"b": 1}, [{"b": 3}]]});
    }

    #[test]
    fn excludes() {
        let rest = doc! {"_id": 1, "a": {"b": 1, "c": 2}, "s": 7};
        assert_eq!(project(&[], &["l"]), rest);
        assert_eq!(project(&[], &["l", "_id", "s.x"]), doc! {"a": {"b": 1, "c": 2}, "s": 7});
        assert_eq!(
            project(&[], &["a.b", "l.b"]),
            doc! {"_id": 1, "a": {"c": 2}, "l": [{"c": 2}, 5, [{}]], "s": 7}
        );
    }
}
