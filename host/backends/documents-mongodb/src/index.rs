//! Declared collections and indexes, made on the server.
//!
//! Ours are named `pingtalk_…`. An equal index under another name, such as mongoose makes, serves as
//! well and is left alone; one of ours that is no longer declared goes.

use std::{collections::HashSet, time::Instant};

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
/// The option that makes an index partial.
const PARTIAL: &str = "partialFilterExpression";
/// What FerretDB says to it (its code for "not implemented" names no option).
const NO_PARTIAL: &str = "\"partialFilterExpression\" is not implemented";
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
    // By name, which says what an index of ours is: FerretDB doesn't tell that one is sparse.
    let declared: HashSet<String> = collection.indexes.iter().map(name).collect();
    for found in &existing {
        let Ok(name) = found.get_str("name") else { continue };
        if name.starts_with(PREFIX) && !declared.contains(name) {
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
    if leaves_out_any(index) {
        let mut partial = wanted.clone();
        partial.insert(PARTIAL, all_present(index));
        match make(database, collection, partial, deadline).await {
            // FerretDB's sparse indexes leave out what lacks any of the fields by themselves.
            Err(DocumentError::Invalid(text)) if text.contains(NO_PARTIAL) => {}
            other => return other,
        }
    }
    if index.sparse {
        wanted.insert("sparse", true);
    }
    make(database, collection, wanted, deadline).await
}

async fn make(
    database: &Database,
    collection: &str,
    wanted: Document,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let command = doc! {"createIndexes": collection, "indexes": [wanted]};
    let command = RawDocumentBuf::try_from(&command).map_err(|_| damaged("own command"))?;
    database.command(command, deadline).await.map(drop)
}

/// True for a sparse index of several fields. MongoDB's own holds each document that has one of
/// the fields, with null for those it lacks; the declared one leaves out what lacks any of them,
/// which takes a partial index.
fn leaves_out_any(index: &Index) -> bool {
    index.sparse && index.fields.len() > 1
}

/// The filter of such an index.
fn all_present(index: &Index) -> Document {
    index.fields.iter().map(|field| (field.clone(), Bson::from(doc! {"$exists": true}))).collect()
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
    let partial = found.get_document(PARTIAL).ok();
    let leaves_out_the_same = if leaves_out_any(index) {
        // Without the filter it is one that we made on a FerretDB.
        partial.map_or_else(|| flag("sparse") && is_ours(found), |it| *it == all_present(index))
    } else {
        partial.is_none() && flag("sparse") == index.sparse
    };
    ascending
        && leaves_out_the_same
        && !found.contains_key("collation")
        && key.keys().eq(&index.fields)
        && flag("unique") == index.unique
}

fn is_ours(found: &Document) -> bool {
    found.get_str("name").is_ok_and(|name| name.starts_with(PREFIX))
}

fn name(index: &Index) -> String {
    let kind = match (index.unique, index.sparse) {
        (false, false) => "",
        (true, false) => "unique_",
        (false, true) => "sparse_",
        (true, true) => "unique_sparse_",
    };
    let kind = if leaves_out_any(index) { kind.replace("sparse", "partial") } else { kind.into() };
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
    fn a_sparse_index_of_several_fields_is_a_partial_one() {
        let declared = index(&["chatId", "seq"], true, true);
        let key = doc! {"chatId": 1, "seq": 1};
        let present = doc! {"chatId": {"$exists": true}, "seq": {"$exists": true}};
        let partial = doc! {"key": key.clone(), "name": "x", "unique": true, PARTIAL: present};
        assert!(serves(&partial, &declared));
        assert!(!serves(&partial, &index(&["chatId", "seq"], true, false)));
        let sparse = doc! {"key": key, "name": "chatId_1_seq_1", "unique": true, "sparse": true};
        assert!(!serves(&sparse, &declared), "it would hold documents that lack one of them");
        assert_eq!(name(&declared), "pingtalk_unique_partial_chatId_seq");
    }

    #[test]
    fn long_names_stay_apart() {
        let long = |last: &str| name(&index(&[&"x".repeat(200), last], true, false));
        assert!(long("a").len() <= MAX_NAME_BYTES && long("a") != long("b"));
    }
}
