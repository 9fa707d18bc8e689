//! Declared collections and indexes, made on the server.
//!
//! Ours are named `pingtalk_…`. An equal index under another name, such as mongoose makes, serves as
//! well and is left alone; one of ours that is no longer declared goes.

use std::time::Instant;

use bson::{Bson, Document, doc, raw::RawDocumentBuf, rawdoc};
use pingtalk_capabilities::documents::{Collection, DocumentError, Index};

use crate::{
    database::Database,
    error::{damaged, invalid},
    path,
};

/// What our indexes' names begin with.
const PREFIX: &str = "pingtalk_";
/// Longest name of an index, in bytes.
const MAX_NAME_BYTES: usize = 120;
/// The collection is there already.
const EXISTS: &str = "already exists";

/// Brings a collection in line with its declaration. When an index can't be made, those made for
/// this declaration are removed again.
pub(crate) async fn declare(
    database: &Database,
    collection: &Collection,
    deadline: Instant,
) -> Result<(), DocumentError> {
    for index in &collection.indexes {
        if index.fields.is_empty() || index.fields.len() > 32 {
            return Err(invalid("an index has 1 to 32 fields"));
        }
        index.fields.iter().try_for_each(|field| path::check(field).map(drop))?;
    }
    create_collection(database, &collection.name, deadline).await?;
    let existing = database.indexes(&collection.name, deadline).await?;
    let mut made = Vec::new();
    for index in &collection.indexes {
        if existing.iter().any(|found| serves(found, index)) {
            continue;
        }
        let name = name(index);
        if let Err(error) = create_index(database, &collection.name, index, &name, deadline).await {
            for name in made {
                drop_index(database, &collection.name, name, deadline).await?;
            }
            return Err(refused(error, collection, index));
        }
        made.push(name);
    }
    for found in &existing {
        let Ok(name) = found.get_str("name") else { continue };
        let declared = collection.indexes.iter().any(|index| serves(found, index));
        if name.starts_with(PREFIX) && !declared {
            drop_index(database, &collection.name, name.to_owned(), deadline).await?;
        }
    }
    Ok(())
}

async fn create_collection(
    database: &Database,
    name: &str,
    deadline: Instant,
) -> Result<(), DocumentError> {
    match database.command(rawdoc! {"create": name}, deadline).await {
        Err(DocumentError::Invalid(text)) if text.contains(EXISTS) => Ok(()),
        other => other.map(drop),
    }
}

pub(crate) async fn create_index(
    database: &Database,
    collection: &str,
    index: &Index,
    name: &str,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let key: Document = index.fields.iter().map(|field| (field.clone(), Bson::Int32(1))).collect();
    let mut wanted = doc! {"key": key, "name": name};
    // Only what differs from the default: servers compare the options they were given.
    if index.unique {
        wanted.insert("unique", true);
    }
    if index.sparse {
        wanted.insert("sparse", true);
    }
    let command = doc! {"createIndexes": collection, "indexes": [wanted]};
    let command = RawDocumentBuf::try_from(&command).map_err(|_| damaged("own command"))?;
    database.command(command, deadline).await.map(drop)
}

async fn drop_index(
    database: &Database,
    collection: &str,
    name: String,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let command = rawdoc! {"dropIndexes": collection, "index": name};
    match database.command(command, deadline).await {
        // Another host was faster.
        Err(DocumentError::Invalid(text)) if text.contains("not found") => Ok(()),
        other => other.map(drop),
    }
}

fn refused(error: DocumentError, collection: &Collection, index: &Index) -> DocumentError {
    let place = format!("{}.{}", collection.database, collection.name);
    let fields = index.fields.join("+");
    match error {
        DocumentError::Conflict(_) => DocumentError::Conflict(format!(
            "{place} holds documents that agree on {fields}: remove the duplicates, then the unique \
             index can be made"
        )),
        DocumentError::Invalid(text) => {
            invalid(format!("the index on {fields} of {place} can't be made: {text}"))
        }
        other => other,
    }
}

/// True when the server's index forbids and finds the same as the declared one.
fn serves(found: &Document, index: &Index) -> bool {
    let Ok(key) = found.get_document("key") else { return false };
    let flag = |name: &str| found.get_bool(name).unwrap_or(false);
    let ascending = key.values().all(|direction| {
        matches!(direction, Bson::Int32(1) | Bson::Int64(1)) || direction.as_f64() == Some(1.0)
    });
    // A partial index or one with a collation forbids something else.
    let plain = !found.contains_key("partialFilterExpression") && !found.contains_key("collation");
    ascending
        && plain
        && key.keys().eq(&index.fields)
        && flag("unique") == index.unique
        && flag("sparse") == index.sparse
}

fn name(index: &Index) -> String {
    let kind = match (index.unique, index.sparse) {
        (false, false) => "",
        (true, false) => "unique_",
        (false, true) => "sparse_",
        (true, true) => "unique_sparse_",
    };
    let mut name = format!("{PREFIX}{kind}{}", index.fields.join("_"));
    if name.len() > MAX_NAME_BYTES {
        // Long lists of fields are told apart by a sum of all of them.
        let sum = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut end = MAX_NAME_BYTES - 17;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
        name.push_str(&format!("_{sum:016x}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(fields: &[&str], unique: bool, sparse: bool) -> Index {
        Index { fields: fields.iter().map(|it| (*it).to_owned()).collect(), unique, sparse }
    }

    #[test]
    fn an_equal_index_serves_whatever_its_name() {
        let mongoose = doc! {"v": 2, "key": {"emailId": 1}, "name": "emailId_1", "unique": true};
        assert!(serves(&mongoose, &index(&["emailId"], true, false)));
        assert!(!serves(&mongoose, &index(&["emailId"], false, false)));
        assert!(!serves(&mongoose, &index(&["emailId"], true, true)));
        assert!(!serves(&mongoose, &index(&["emailId", "x"], true, false)));
        let partial = doc! {"key": {"a": 1.0}, "name": "a_1", "partialFilterExpression": {"a": 1}};
        assert!(!serves(&partial, &index(&["a"], false, false)));
        assert!(!serves(&doc! {"key": {"a": -1}, "name": "a"}, &index(&["a"], false, false)));
    }

    #[test]
    fn long_names_stay_apart() {
        let long = |last: &str| name(&index(&[&"x".repeat(200), last], true, false));
        assert!(long("a").len() <= MAX_NAME_BYTES && long("a") != long("b"));
    }
}
