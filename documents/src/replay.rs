//! The record of commits, so that repeating one returns its outcome and does nothing.
//!
//! Small documents are kept in the record as they were. Of a larger one only the `_id` is: a
//! repetition then reads the document as it is now, or returns just the `_id` if it is gone. Storing
//! a 5 MB file twice for the rare retry would cost more than that difference.

use crate::{
    Document, Error, Outcome, Param, Sql, Transaction, key,
    project::{write_document, write_element},
    raw::{Elements, Raw, get},
    schema::Schema,
    sql::first,
};
use bytes::Bytes;

/// How long a commit id is remembered, in milliseconds: a day.
const KEPT: i64 = 24 * 60 * 60 * 1_000;
/// Most commits remembered; the oldest go first. Some twelve a second for a day.
const MAX_COMMITS: i64 = 1_000_000;
/// Records removed with each new one: more than one, so that the record shrinks after a peak.
const PRUNED: i64 = 4;
/// Documents up to this many bytes are kept whole.
const SMALL: usize = 512;

const INSERTED: u8 = b'i';
const UPDATED: u8 = b'u';
const INSERTED_LARGE: u8 = b'I';
const UPDATED_LARGE: u8 = b'U';
const DELETED: u8 = b'd';
const UNMATCHED: u8 = b'n';
const CONFLICTED: u8 = b'c';

/// The outcomes of a commit made within the last day.
pub(crate) fn find(
    sql: &dyn Sql,
    schema: &Schema,
    id: &str,
    now: i64,
) -> Result<Option<Vec<Outcome>>, Error> {
    let found =
        first(sql, "SELECT at, outcomes FROM commits WHERE id = ?1", &[Param::Text(id)], |row| {
            Ok((row.integer(0)?, Bytes::copy_from_slice(row.blob(1)?)))
        })?;
    match found {
        Some((at, record)) if at > now - KEPT => decode(sql, schema, &record).map(Some),
        Some(_) => {
            sql.execute("DELETE FROM commits WHERE id = ?1", &[Param::Text(id)])?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Remembers a commit and forgets a few old ones.
pub(crate) fn record(
    sql: &dyn Sql,
    schema: &Schema,
    transaction: &Transaction,
    outcomes: &[Outcome],
    now: i64,
) -> Result<(), Error> {
    let mut record = Vec::new();
    for (outcome, write) in outcomes.iter().zip(&transaction.writes) {
        match outcome {
            Outcome::Inserted(document) | Outcome::Updated(document) => {
                let inserted = matches!(outcome, Outcome::Inserted(_));
                if document.len() <= SMALL {
                    record.push(if inserted { INSERTED } else { UPDATED });
                    record.extend_from_slice(document);
                } else {
                    record.push(if inserted { INSERTED_LARGE } else { UPDATED_LARGE });
                    let table = schema.table(&write.database, &write.collection)?;
                    record.extend_from_slice(&table.number.to_le_bytes());
                    record.extend_from_slice(&only_id(document));
                }
            }
            Outcome::Deleted(deleted) => {
                record.push(DELETED);
                record.extend_from_slice(&deleted.to_le_bytes());
            }
            Outcome::Unmatched => record.push(UNMATCHED),
            Outcome::Conflicted => record.push(CONFLICTED),
        }
    }
    sql.execute(
        "INSERT INTO commits (id, at, outcomes) VALUES (?1, ?2, ?3)",
        &[Param::Text(&transaction.id), Param::Integer(now), Param::Blob(&record)],
    )?;
    let oldest_kept = sql.last_insert_rowid() - MAX_COMMITS;
    sql.execute(
        "DELETE FROM commits WHERE number IN (SELECT number FROM commits ORDER BY number LIMIT ?1) \
         AND (at <= ?2 OR number <= ?3)",
        &[Param::Integer(PRUNED), Param::Integer(now - KEPT), Param::Integer(oldest_kept)],
    )
}

/// A document of nothing but another's `_id`.
fn only_id(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_document(&mut out, |out| {
        if let Some(id) = get(document, b"_id") {
            write_element(out, b"_id", id);
        }
    });
    out
}

fn decode(sql: &dyn Sql, schema: &Schema, record: &Bytes) -> Result<Vec<Outcome>, Error> {
    let damaged = || Error::Storage("damaged record".to_owned());
    let mut outcomes = Vec::new();
    let mut at = 0;
    while let Some(&kind) = record.get(at) {
        at += 1;
        let rest = record.get(at..).unwrap_or_default();
        let outcome = match kind {
            INSERTED | UPDATED => {
                let document = leading_document(record, at).ok_or_else(damaged)?;
                at += document.len();
                if kind == INSERTED {
                    Outcome::Inserted(document)
                } else {
                    Outcome::Updated(document)
                }
            }
            INSERTED_LARGE | UPDATED_LARGE => {
                let table = i64::from_le_bytes(*rest.first_chunk().ok_or_else(damaged)?);
                let id = leading_document(record, at + 8).ok_or_else(damaged)?;
                at += 8 + id.len();
                let document = fetch(sql, schema, table, &id)?.unwrap_or(id);
                if kind == INSERTED_LARGE {
                    Outcome::Inserted(document)
                } else {
                    Outcome::Updated(document)
                }
            }
            DELETED => {
                at += 8;
                Outcome::Deleted(u64::from_le_bytes(*rest.first_chunk().ok_or_else(damaged)?))
            }
            UNMATCHED => Outcome::Unmatched,
            CONFLICTED => Outcome::Conflicted,
            _ => return Err(damaged()),
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The document that starts at a place of the record.
fn leading_document(record: &Bytes, at: usize) -> Option<Document> {
    let length = i32::from_le_bytes(*record.get(at..)?.first_chunk()?);
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    (end <= record.len()).then(|| record.slice(at..end))
}

/// The document with this `_id` as it is now.
fn fetch(sql: &dyn Sql, schema: &Schema, table: i64, id: &[u8]) -> Result<Option<Document>, Error> {
    let Some(table) = schema.tables().find(|known| known.number == table) else { return Ok(None) };
    let Some(index) = table.indexes.first() else { return Ok(None) };
    let id = Elements::of(id).next().map_or(Raw { kind: 0, bytes: &[] }, |element| element.value);
    let Some(row) = index.owner(sql, &key::key(id))? else { return Ok(None) };
    first(sql, &table.sql.body, &[Param::Integer(row)], |row| {
        Ok(Bytes::copy_from_slice(row.blob(0)?))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::doc;
    use rusqlite::Connection;

    use super::*;
    use crate::{Operation, Write, schema};

    fn commit(connection: &Connection, schema: &Schema, id: &str, now: i64) {
        let document = Bytes::from(doc! {"_id": 1}.to_vec().unwrap());
        let transaction = Transaction { id: id.to_owned(), ..Transaction::default() };
        let write = Write {
            database: String::new(),
            collection: String::new(),
            operation: Operation::Delete(Default::default()),
        };
        let transaction = Transaction { writes: vec![write; 3], ..transaction };
        let outcomes = [Outcome::Inserted(document), Outcome::Deleted(7), Outcome::Conflicted];
        record(connection, schema, &transaction, &outcomes, now).unwrap();
    }

    #[test]
    fn commits_are_remembered_for_a_day() {
        let connection = Connection::open_in_memory().unwrap();
        schema::prepare(&connection).unwrap();
        let schema = Schema::default();
        commit(&connection, &schema, "one", 1_000);
        let later = |now| find(&connection, &schema, "one", now).unwrap();
        let outcomes = later(999 + KEPT).unwrap();
        assert_eq!(outcomes.get(1..), Some(&[Outcome::Deleted(7), Outcome::Conflicted][..]));
        assert!(matches!(outcomes.first(), Some(Outcome::Inserted(_))));
        assert_eq!(later(1_000 + KEPT), None);
        assert_eq!(find(&connection, &schema, "other", 1_000).unwrap(), None);
    }

    #[test]
    fn old_records_go_a_few_at_a_time() {
        let connection = Connection::open_in_memory().unwrap();
        schema::prepare(&connection).unwrap();
        let schema = Schema::default();
        for at in 0..10 {
            commit(&connection, &schema, &format!("{at}"), at);
        }
        commit(&connection, &schema, "late", 5 + KEPT);
        let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM commits"), 11 - PRUNED);
        commit(&connection, &schema, "later", 5 + KEPT);
        // Of those left, two are over a day old.
        assert_eq!(count("SELECT count(*) FROM commits"), 12 - PRUNED - 2);
        assert_eq!(count("SELECT min(at) FROM commits"), 6);
    }
}
