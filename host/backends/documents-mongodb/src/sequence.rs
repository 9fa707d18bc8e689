//! Numbers without gaps: `1 + the greatest in the group`, made safe by the unique index.
//!
//! Two inserts that read the same greatest number meet at the index, and the loser counts again. A
//! number is used only by a document that exists, so a refused insert leaves no gap.

use bson::{
    Bson, Document, RawDocumentBuf, doc,
    raw::{RawBsonRef, RawDocument},
};
use bytes::Bytes;
use pingtalk_capabilities::documents::{DocumentError, Sequence};

use crate::{
    database::Find,
    error::{damaged, invalid},
    write::Place,
};

/// The greatest number in the document's group; 0 when there is none.
pub(crate) async fn greatest(
    place: Place<'_>,
    document: &[u8],
    sequence: &Sequence,
) -> Result<i64, DocumentError> {
    let document = RawDocument::from_bytes(document).map_err(|_| damaged("own document"))?;
    let mut filter = Document::new();
    for path in &sequence.within {
        let value = reach(document, path)?.unwrap_or(Bson::Null);
        if matches!(value, Bson::Array(_)) {
            return Err(invalid("a numbered group can't be named by an array"));
        }
        filter.insert(path, doc! {"$eq": value});
    }
    // Numbers only: what else may stand there is not counted. Includes removed-to-be documents,
    // whose numbers the index still holds.
    filter.insert(&sequence.field, doc! {"$gte": 0});
    let find = Find {
        filter,
        sort: doc! {&sequence.field: -1},
        projection: doc! {"_id": 0, &sequence.field: 1},
        limit: 1,
    };
    let found = place.database.find(place.collection, find, usize::MAX, place.deadline).await?;
    let Some(last) = found.first() else { return Ok(0) };
    let last = RawDocument::from_bytes(last).map_err(|_| damaged("document"))?;
    let not_counted = || invalid(format!("`{}` can't be counted up", sequence.field));
    match reach(last, &sequence.field)? {
        Some(Bson::Int32(number)) => Ok(i64::from(number)),
        Some(Bson::Int64(number)) if number < i64::MAX => Ok(number),
        #[allow(clippy::cast_possible_truncation)]
        Some(Bson::Double(number)) if number.fract() == 0.0 && number < 9e15 => Ok(number as i64),
        _ => Err(not_counted()),
    }
}

/// The value at a path that goes through documents only.
fn reach(document: &RawDocument, path: &str) -> Result<Option<Bson>, DocumentError> {
    let mut document = document;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let value = document.get(name).map_err(|_| damaged("document"))?;
        match (value, names.peek()) {
            (None, _) => return Ok(None),
            (Some(value), None) => {
                return Bson::try_from(value).map(Some).map_err(|_| damaged("document"));
            }
            (Some(RawBsonRef::Document(nested)), Some(_)) => document = nested,
            (Some(RawBsonRef::Array(_)), Some(_)) => {
                return Err(invalid("a numbered group can't be named by an array"));
            }
            (Some(_), Some(_)) => return Ok(None),
        }
    }
    Ok(None)
}

/// The document with the number in its field. A field at the top keeps its place if it is there,
/// and nothing else is taken apart.
pub(crate) fn numbered(document: &[u8], field: &str, number: i64) -> Result<Bytes, DocumentError> {
    let unreadable = || damaged("own document");
    if field.contains('.') {
        let mut whole = Document::from_reader(document).map_err(|_| unreadable())?;
        set(&mut whole, field, number)?;
        return Ok(whole.to_vec().map_err(|_| unreadable())?.into());
    }
    let document = RawDocument::from_bytes(document).map_err(|_| unreadable())?;
    let name = bson::raw::CString::try_from(field).map_err(|_| unreadable())?;
    let (mut out, mut placed) = (RawDocumentBuf::new(), false);
    for element in document {
        let (key, value) = element.map_err(|_| unreadable())?;
        if key.as_str() == field {
            out.append(key, number);
            placed = true;
        } else {
            out.append(key, value);
        }
    }
    if !placed {
        out.append(name, number);
    }
    Ok(out.into_bytes().into())
}

fn set(document: &mut Document, path: &str, number: i64) -> Result<(), DocumentError> {
    match path.split_once('.') {
        None => drop(document.insert(path, number)),
        Some((first, rest)) => {
            let nested = document.entry(first.to_owned()).or_insert_with(|| doc! {}.into());
            let Some(nested) = nested.as_document_mut() else {
                return Err(invalid(format!("there can be no field `{path}` in this document")));
            };
            set(nested, rest, number)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_takes_its_place() {
        let number = |document: Document, field: &str| {
            let bytes = numbered(&document.to_vec().unwrap(), field, 7).unwrap();
            Document::from_reader(&bytes[..]).unwrap()
        };
        assert_eq!(number(doc! {"n": "x", "a": 1}, "n"), doc! {"n": 7_i64, "a": 1});
        assert_eq!(number(doc! {"a": 1}, "n"), doc! {"a": 1, "n": 7_i64});
        assert_eq!(number(doc! {"d": {"x": 1}}, "d.n"), doc! {"d": {"x": 1, "n": 7_i64}});
        assert!(numbered(&doc! {"d": 1}.to_vec().unwrap(), "d.n", 7).is_err());
    }
}
