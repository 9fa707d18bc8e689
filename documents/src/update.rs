//! Updates: what becomes of a document, and what an upsert makes where there is none.

use bytes::Bytes;

use crate::{
    Change, DocumentError, Filter, Test,
    change::{apply, check},
    draft::Draft,
    insert::with_id,
    path::Path,
    raw::{check_document, get, invalid},
};

/// An empty BSON document.
const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

/// The document after the changes.
pub(crate) fn changed(document: &[u8], changes: &[Change]) -> Result<Bytes, DocumentError> {
    let paths = check(changes)?;
    let mut draft = Draft::of(document);
    apply(&mut draft, changes, &paths, false)?;
    let new = draft.encode();
    check_document(&new)?;
    if get(document, b"_id") != get(&new, b"_id") {
        return Err(invalid("an `_id` can't be changed"));
    }
    Ok(new.into())
}

/// The document an upsert inserts: the filter's equalities, then the changes.
pub(crate) fn made(filter: &Filter, changes: &[Change]) -> Result<Bytes, DocumentError> {
    let paths = check(changes)?;
    let mut draft = Draft::of(EMPTY);
    let mut set: Vec<Path> = Vec::new();
    // Only a single alternative says for sure what the document would have.
    if let [conditions] = filter.any_of.as_slice() {
        for condition in conditions {
            let value = match &condition.test {
                Test::Eq(value) => value,
                Test::OneOf(values) => match values.as_slice() {
                    [only] => only,
                    _ => continue,
                },
                _ => continue,
            };
            let path = Path::parse(&condition.path)?;
            if set.iter().any(|other| other.overlaps(&path)) {
                let path = path.names().join(".");
                return Err(invalid(format!("an upsert can't set `{path}` twice")));
            }
            draft.set(&path, value)?;
            set.push(path);
        }
    }
    apply(&mut draft, changes, &paths, true)?;
    with_id(&draft.encode().into())
}
