//! Commits, on the writer thread: the writes, the events and the record of the commit, all in the
//! savepoint of one job.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Change, DocumentError, Filter, MAX_COMMIT_ID_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, MAX_WRITES,
    Operation, Outcome, Sequence, Transaction, Value, Write,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    error::Error,
    filter::Matcher,
    index::{Entries, Index},
    insert::{number, with_id},
    outbox,
    plan::Plan,
    raw::invalid,
    replay,
    scan::scan,
    schema::{Schema, Table},
    update::{changed, made},
};

/// Longest routing key, in bytes (AMQP's short string).
const MAX_TOPIC_BYTES: usize = 255;

/// Checks a transaction's bounds and returns about how many bytes it holds.
pub(crate) fn check(transaction: &Transaction) -> Result<usize, DocumentError> {
    if transaction.id.is_empty() || transaction.id.len() > MAX_COMMIT_ID_BYTES {
        return Err(invalid("a commit id is 1 to 64 bytes long"));
    }
    if transaction.writes.is_empty() || transaction.writes.len() > MAX_WRITES {
        return Err(invalid("a commit has 1 to 100 writes"));
    }
    if transaction.events.len() > MAX_EVENTS {
        return Err(invalid("a commit has at most 16 events"));
    }
    for event in &transaction.events {
        if event.payload.len() > MAX_EVENT_BYTES {
            return Err(invalid("an event's payload is at most 256 KiB"));
        }
        if event.topic.is_empty() || event.topic.len() > MAX_TOPIC_BYTES {
            return Err(invalid("an event's topic is 1 to 255 bytes long"));
        }
    }
    let write = |write: &Write| match &write.operation {
        Operation::Insert { document, .. } => document.len(),
        Operation::Update { changes, .. } => changes.iter().map(held).sum(),
        Operation::Delete(_) | Operation::DeleteAll(_) => 0,
    };
    let writes: usize = transaction.writes.iter().map(write).sum();
    Ok(writes + transaction.events.iter().map(|event| event.payload.len()).sum::<usize>())
}

/// About how many bytes a change holds.
fn held(change: &Change) -> usize {
    match change {
        Change::Unset(_) | Change::Increment(..) => 0,
        Change::Set(_, value)
        | Change::Max(_, value)
        | Change::Push(_, value)
        | Change::AddToSet(_, value)
        | Change::Pull(_, value)
        | Change::SetOnInsert(_, value) => match value {
            Value::Text(text) => text.len(),
            Value::Document(bytes) | Value::Array(bytes) => bytes.len(),
            _ => 0,
        },
    }
}

/// What a commit did.
pub(crate) struct Committed {
    pub(crate) outcomes: Vec<Outcome>,
    /// Indexes that met their first array; see [`Index::committed`].
    pub(crate) noted: Vec<Arc<Index>>,
}

/// Makes a commit, or finds that it was made before.
pub(crate) fn commit(
    connection: &Connection,
    schema: &Schema,
    transaction: &Transaction,
    now: i64,
    deadline: Instant,
) -> Result<Committed, Error> {
    if let Some(outcomes) = replay::find(connection, schema, &transaction.id, now)? {
        return Ok(Committed { outcomes, noted: Vec::new() });
    }
    let mut writer = Writer { connection, deadline, noted: Vec::new() };
    let mut outcomes = Vec::with_capacity(transaction.writes.len());
    for write in &transaction.writes {
        let table = schema.table(&write.database, &write.collection)?;
        let outcome = match (writer.write(table, &write.operation)?, outcomes.is_empty()) {
            (Done::Outcome(outcome), _) => outcome,
            // The first write decides; the others are consequences.
            (Done::Unmatched, true) => return Err(DocumentError::Unmatched.into()),
            (Done::Conflict(index), true) => return Err(DocumentError::Conflict(index).into()),
            (Done::Unmatched, false) => Outcome::Unmatched,
            (Done::Conflict(_), false) => Outcome::Conflicted,
        };
        outcomes.push(outcome);
    }
    for event in &transaction.events {
        outbox::add(connection, event, now)?;
    }
    replay::record(connection, schema, transaction, &outcomes, now)?;
    Ok(Committed { outcomes, noted: writer.noted })
}

/// What one write came to. Without an outcome it changed nothing.
enum Done {
    Outcome(Outcome),
    Unmatched,
    Conflict(String),
}

struct Writer<'c> {
    connection: &'c Connection,
    deadline: Instant,
    noted: Vec<Arc<Index>>,
}

impl Writer<'_> {
    fn write(&mut self, table: &Table, operation: &Operation) -> Result<Done, Error> {
        match operation {
            Operation::Insert { document, sequence } => {
                self.insert(table, with_id(document)?, sequence.as_ref())
            }
            Operation::Update { filter, changes, upsert } => {
                self.update(table, filter, changes, *upsert)
            }
            Operation::Delete(filter) => self.delete(table, filter, true),
            Operation::DeleteAll(filter) => self.delete(table, filter, false),
        }
    }

    fn insert(
        &mut self,
        table: &Table,
        mut document: Bytes,
        sequence: Option<&Sequence>,
    ) -> Result<Done, Error> {
        if let Some(sequence) = sequence {
            document = number(self.connection, table, &document, sequence)?;
            crate::raw::check_document(&document)?;
        }
        let entries = table.entries(&document)?;
        if let Some(index) = self.conflict(table, &entries, None)? {
            return Ok(Done::Conflict(index));
        }
        self.connection.prepare_cached(&table.sql.insert)?.execute([&document[..]])?;
        let row = self.connection.last_insert_rowid();
        self.index(table, row, None, Some(&entries))?;
        Ok(Done::Outcome(Outcome::Inserted(document)))
    }

    fn update(
        &mut self,
        table: &Table,
        filter: &Filter,
        changes: &[Change],
        upsert: bool,
    ) -> Result<Done, Error> {
        let matcher = Matcher::new(filter)?;
        let Some((row, old)) = self.first(table, &matcher)? else {
            if !upsert {
                return Ok(Done::Unmatched);
            }
            return Ok(match self.insert(table, made(filter, changes)?, None)? {
                Done::Outcome(Outcome::Inserted(document)) => {
                    Done::Outcome(Outcome::Updated(document))
                }
                other => other,
            });
        };
        let new = changed(&old, changes)?;
        if new != old {
            let (before, after) = (table.entries(&old)?, table.entries(&new)?);
            if let Some(index) = self.conflict(table, &after, Some(row))? {
                return Ok(Done::Conflict(index));
            }
            self.connection.prepare_cached(&table.sql.update)?.execute(params![&new[..], row])?;
            self.index(table, row, Some(&before), Some(&after))?;
        }
        Ok(Done::Outcome(Outcome::Updated(new)))
    }

    fn delete(&mut self, table: &Table, filter: &Filter, first: bool) -> Result<Done, Error> {
        let matcher = Matcher::new(filter)?;
        let plan = Plan::new(table, &matcher, &[]);
        let mut rows = Vec::new();
        scan(self.connection, table, &plan, &matcher, self.deadline, &mut |row, _| {
            rows.push(row);
            !first
        })?;
        let mut body = self.connection.prepare_cached(&table.sql.body)?;
        let mut delete = self.connection.prepare_cached(&table.sql.delete)?;
        for row in &rows {
            let old: Option<Vec<u8>> = body.query_row([row], |row| row.get(0)).optional()?;
            if let Some(old) = old {
                self.index(table, *row, Some(&table.entries(&old)?), None)?;
                delete.execute([row])?;
            }
        }
        Ok(match rows.len() {
            0 => Done::Unmatched,
            deleted => Done::Outcome(Outcome::Deleted(deleted.try_into().unwrap_or(u64::MAX))),
        })
    }

    fn first(&self, table: &Table, matcher: &Matcher) -> Result<Option<(i64, Bytes)>, Error> {
        let plan = Plan::new(table, matcher, &[]);
        let mut found = None;
        scan(self.connection, table, &plan, matcher, self.deadline, &mut |row, body| {
            found = Some((row, Bytes::copy_from_slice(body)));
            false
        })?;
        Ok(found)
    }

    /// The unique index that these entries would break. Asked before anything is written, so that
    /// a refused write has nothing to undo; no one else writes in between.
    fn conflict(
        &self,
        table: &Table,
        entries: &[Entries],
        own: Option<i64>,
    ) -> Result<Option<String>, Error> {
        for (index, entries) in table.indexes.iter().zip(entries) {
            if index.taken(self.connection, entries, own)? {
                return Ok(Some(index.name.clone()));
            }
        }
        Ok(None)
    }

    fn index(
        &mut self,
        table: &Table,
        row: i64,
        old: Option<&[Entries]>,
        new: Option<&[Entries]>,
    ) -> Result<(), Error> {
        let none = Entries::default();
        for (at, index) in table.indexes.iter().enumerate() {
            let old = old.and_then(|entries| entries.get(at)).unwrap_or(&none);
            let new = new.and_then(|entries| entries.get(at)).unwrap_or(&none);
            if index.replace(self.connection, row, old, new)? {
                self.noted.push(Arc::clone(index));
            }
        }
        Ok(())
    }
}
