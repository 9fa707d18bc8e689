//! Insertion: an `_id` for every document, a number for those that ask for one.

use crate::{
    DocumentError, Error, Sequence, Sql, Value,
    draft::Draft,
    index::Index,
    key::{self, rank},
    path::{Path, keys},
    project::{write_document, write_element},
    raw::{self, Elements, Raw, get, invalid, kind},
    schema::Table,
};
use bytes::Bytes;

const ID: &[u8] = b"_id";

/// Checks a document and gives it an `_id` in the first place.
pub(crate) fn with_id(document: &Bytes) -> Result<Bytes, DocumentError> {
    raw::check_document(document)?;
    if let Some(element) = Elements::of(document).find(|element| element.name.starts_with(b"$")) {
        let name = String::from_utf8_lossy(element.name).chars().take(64).collect::<String>();
        return Err(invalid(format!("a field can't be named `{name}`")));
    }
    if Elements::of(document).filter(|element| element.name == ID).count() > 1 {
        return Err(invalid("a document has one `_id`"));
    }
    let own = get(document, ID);
    if own.is_some_and(|id| matches!(id.kind, kind::ARRAY | kind::REGEX)) {
        return Err(invalid("an `_id` can't be an array or a regular expression"));
    }
    if Elements::of(document).next().is_some_and(|first| first.name == ID) {
        return Ok(document.clone());
    }
    let made = bson::oid::ObjectId::new().bytes();
    let id = own.unwrap_or(Raw { kind: kind::ID, bytes: &made });
    let mut out = Vec::with_capacity(document.len() + 17);
    write_document(&mut out, |out| {
        write_element(out, ID, id);
        for element in Elements::of(document).filter(|element| element.name != ID) {
            write_element(out, element.name, element.value);
        }
    });
    Ok(out.into())
}

/// Writes the next number of the document's group into it.
pub(crate) fn number(
    sql: &dyn Sql,
    table: &Table,
    document: &[u8],
    sequence: &Sequence,
) -> Result<Bytes, Error> {
    let field = Path::parse(&sequence.field)?;
    let within =
        sequence.within.iter().map(|path| Path::parse(path)).collect::<Result<Vec<_>, _>>()?;
    let wanted: Vec<&Path> = within.iter().chain([&field]).collect();
    let serves = |index: &&std::sync::Arc<Index>| {
        index.unique && index.paths.iter().eq(wanted.iter().copied())
    };
    let index = table.indexes.iter().find(serves).ok_or_else(|| {
        invalid(format!(
            "numbering needs a unique index on {}",
            sequence
                .within
                .iter()
                .chain([&sequence.field])
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("+")
        ))
    })?;
    let mut group = Vec::new();
    for path in &within {
        let found = keys(document, path);
        let ([only], false) = (found.keys.as_slice(), found.array) else {
            return Err(invalid("a numbered group can't be named by an array").into());
        };
        if index.sparse && !found.present {
            return Err(invalid("a numbered document needs the fields of its group").into());
        }
        group.extend_from_slice(only);
    }
    let low = [group.as_slice(), &[rank::NUMBER]].concat();
    let high = [group.as_slice(), &[rank::NUMBER + 1]].concat();
    let last = match index.greatest(sql, &low, &high)? {
        Some(key) => key.strip_prefix(group.as_slice()).and_then(key::integer),
        None => Some(0),
    };
    let next = last
        .and_then(|last| last.checked_add(1))
        .ok_or_else(|| invalid(format!("`{}` can't be counted up", sequence.field)))?;
    let mut draft = Draft::of(document);
    draft.set(&field, &Value::Int64(next))?;
    Ok(draft.encode().into())
}
