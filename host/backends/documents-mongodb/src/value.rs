//! Values on their way into commands, and the check of documents from callers.

use bson::{
    Bson, Document,
    raw::{RawArray, RawBsonRef, RawDocument},
};
use pingtalk_capabilities::documents::{DocumentError, MAX_DOCUMENT_BYTES, Value};

use crate::error::invalid;

/// The deepest nesting, as in MongoDB.
const MAX_DEPTH: usize = 100;

/// A value as the driver has it.
pub(crate) fn bson(value: &Value) -> Result<Bson, DocumentError> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Boolean(value) => Bson::Boolean(*value),
        Value::Int32(value) => Bson::Int32(*value),
        Value::Int64(value) => Bson::Int64(*value),
        Value::Double(value) => Bson::Double(*value),
        Value::Text(value) => Bson::String(value.clone()),
        Value::Id(value) => Bson::ObjectId(bson::oid::ObjectId::from_bytes(value.0)),
        Value::Date(value) => Bson::DateTime(bson::DateTime::from_millis(*value)),
        Value::Document(bytes) => Bson::Document(document(bytes)?),
        Value::Array(bytes) => {
            Bson::Array(document(bytes)?.into_iter().map(|(_, value)| value).collect())
        }
    })
}

/// A checked document, taken apart.
pub(crate) fn document(bytes: &[u8]) -> Result<Document, DocumentError> {
    check_document(bytes)?;
    Document::from_reader(bytes).map_err(|_| invalid("malformed BSON"))
}

/// Checks a whole document: lengths, closing zeros, UTF-8, types, depth and size.
pub(crate) fn check_document(bytes: &[u8]) -> Result<&RawDocument, DocumentError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(invalid("a document is at most 16 MiB"));
    }
    let document = RawDocument::from_bytes(bytes).map_err(|_| invalid("malformed BSON"))?;
    check_nested(document, 0)?;
    Ok(document)
}

fn check_nested(document: &RawDocument, depth: usize) -> Result<(), DocumentError> {
    if depth > MAX_DEPTH {
        return Err(invalid("a document nests at most 100 levels deep"));
    }
    for element in document {
        let (_, value) = element.map_err(|_| invalid("malformed BSON"))?;
        check_value(value, depth)?;
    }
    Ok(())
}

fn check_value(value: RawBsonRef<'_>, depth: usize) -> Result<(), DocumentError> {
    match value {
        RawBsonRef::Document(nested) => check_nested(nested, depth + 1),
        RawBsonRef::Array(nested) => check_array(nested, depth + 1),
        _ => Ok(()),
    }
}

fn check_array(array: &RawArray, depth: usize) -> Result<(), DocumentError> {
    if depth > MAX_DEPTH {
        return Err(invalid("a document nests at most 100 levels deep"));
    }
    for value in array {
        check_value(value.map_err(|_| invalid("malformed BSON"))?, depth)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use bson::doc;

    use super::*;

    #[test]
    fn refuses_every_truncation_and_survives_every_flipped_byte() {
        let bytes = doc! {"a": [1, 2], "b": {"c": "text"}, "d": true}.to_vec().unwrap();
        check_document(&bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(check_document(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                // Either refused or readable to the end; never a panic.
                if check_document(&damaged).is_ok() {
                    document(&damaged).unwrap();
                }
            }
        }
    }

    #[test]
    fn refuses_deep_nesting() {
        let mut deep = doc! {};
        for _ in 0..102 {
            deep = doc! {"a": deep};
        }
        assert!(check_document(&deep.to_vec().unwrap()).is_err());
    }
}
