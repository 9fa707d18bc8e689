//! Changes to a document, as MongoDB's update operators.

use bson::{Bson, Document, doc};
use pingtalk_capabilities::documents::{Change, DocumentError, Value};

use crate::{
    error::invalid,
    path::{self, overlap},
    value::bson,
};

/// Most changes in an update.
const MAX_CHANGES: usize = 200;

/// Checks changes and translates them. No two may touch the same field, as in MongoDB.
pub(crate) fn update(changes: &[Change]) -> Result<Document, DocumentError> {
    if changes.len() > MAX_CHANGES {
        return Err(invalid("an update has at most 200 changes"));
    }
    let mut update = Document::new();
    let mut touched: Vec<&str> = Vec::with_capacity(changes.len());
    for change in changes {
        let (operator, path, value) = operation(change)?;
        let path = path::check(path)?;
        if touched.iter().any(|other| overlap(other, path)) {
            return Err(invalid(format!("two changes touch `{path}`")));
        }
        touched.push(path);
        match update.get_document_mut(operator) {
            Ok(fields) => drop(fields.insert(path, value)),
            Err(_) => drop(update.insert(operator, doc! {path: value})),
        }
    }
    Ok(update)
}

fn operation(change: &Change) -> Result<(&'static str, &str, Bson), DocumentError> {
    Ok(match change {
        Change::Set(path, value) => ("$set", path, bson(value)?),
        Change::Unset(path) => ("$unset", path, Bson::String(String::new())),
        Change::Increment(path, by) => {
            // The narrowest type: adding an int64 would turn an int32 field into one.
            let by = i32::try_from(*by).map_or(Bson::Int64(*by), Bson::Int32);
            ("$inc", path, by)
        }
        Change::Max(path, value) => ("$max", path, bson(value)?),
        Change::Push(path, value) => ("$push", path, element(value)?),
        Change::AddToSet(path, value) => ("$addToSet", path, element(value)?),
        // `$pull` would read a document as a condition; this compares whole values.
        Change::Pull(path, value) => ("$pullAll", path, Bson::Array(vec![bson(value)?])),
        Change::SetOnInsert(path, value) => ("$setOnInsert", path, bson(value)?),
    })
}

/// An element to append. MongoDB would read a document such as `{$each: …}` as an instruction.
fn element(value: &Value) -> Result<Bson, DocumentError> {
    let value = bson(value)?;
    if let Bson::Document(document) = &value
        && document.keys().next().is_some_and(|name| name.starts_with('$'))
    {
        return Err(invalid("an element's fields can't start with $"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn changes_become_operators() {
        let changes = [
            Change::Set("a.b".into(), Value::Int32(1)),
            Change::Set("c".into(), Value::Null),
            Change::Increment("n".into(), 2),
            Change::Increment("m".into(), i64::MAX),
            Change::Pull("l".into(), Value::Int32(3)),
            Change::Unset("u".into()),
        ];
        assert_eq!(
            update(&changes).unwrap(),
            doc! {
                "$set": {"a.b": 1, "c": null}, "$inc": {"n": 2, "m": i64::MAX},
                "$pullAll": {"l": [3]}, "$unset": {"u": ""},
            }
        );
    }

    #[test]
    fn clashes_and_instructions_are_refused() {
        let set = |path: &str| Change::Set(path.into(), Value::Int32(1));
        assert!(update(&[set("a"), set("a.b")]).is_err());
        assert!(update(&[set("a"), Change::Unset("a".into())]).is_err());
        assert!(update(&[set("_commits")]).is_err());
        let each = doc! {"$each": [1]}.to_vec().unwrap();
        assert!(update(&[Change::Push("l".into(), Value::Document(each.into()))]).is_err());
    }
}
