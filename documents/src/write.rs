//! Commits: the writes, the events and the record of the commit, within the caller's transaction.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{
    Change, DocumentError, Error, Filter, MAX_COMMIT_ID_BYTES, MAX_EVENT_BYTES, MAX_EVENTS,
    MAX_WRITES, Operation, Outcome, Param, Sequence, Sql, Transaction, Value, Write,
    filter::Matcher,
    index::{Entries, Index},
    insert::{number, with_id},
    outbox,
    plan::Plan,
    raw::invalid,
    replay,
    scan::scan,
    schema::{Schema, Table},
    sql::first as first_row,
    update::{changed, made},
};

/// Longest routing key, in bytes (AMQP's short string).
const MAX_TOPIC_BYTES: usize = 255;

/// Checks a transaction's bounds and returns about how many bytes it holds.
///
/// # Errors
/// [`DocumentError::Invalid`] names the bound.
pub fn check(transaction: &Transaction) -> Result<usize, DocumentError> {
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
#[derive(Debug)]
pub struct Committed {
    outcomes: Vec<Outcome>,
    /// Indexes that met their first array; see [`Index::committed`].
    noted: Vec<Arc<Index>>,
}

impl Committed {
    /// The outcome of each write, to be asked for once the transaction is durable.
    #[must_use]
    pub fn durable(self) -> Vec<Outcome> {
        self.noted.iter().for_each(|index| index.committed());
        self.outcomes
    }
}

/// Makes a checked commit, or finds that it was made before, within a transaction of the caller's,
/// who must undo it when this fails. `now` is in milliseconds since the epoch.
///
/// # Errors
/// What the caller of the commit is told, the deadline, or the store's.
pub fn commit(
    sql: &dyn Sql,
    schema: &Schema,
    transaction: &Transaction,
    now: i64,
    deadline: Instant,
) -> Result<Committed, Error> {
    if let Some(outcomes) = replay::find(sql, schema, &transaction.id, now)? {
        return Ok(Committed { outcomes, noted: Vec::new() });
    }
    let mut writer = Writer { sql, deadline, noted: Vec::new() };
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
        outbox::add(sql, event, now)?;
    }
    replay::record(sql, schema, transaction, &outcomes, now)?;
    Ok(Committed { outcomes, noted: writer.noted })
}

/// What one write came to. Without an outcome it changed nothing.
enum Done {
    Outcome(Outcome),
    Unmatched,
    Conflict(String),
}

struct Writer<'s> {
    sql: &'s dyn Sql,
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
            document = number(self.sql, table, &document, sequence)?;
            crate::raw::check_document(&document)?;
        }
        let entries = table.entries(&document)?;
        if let Some(index) = self.conflict(table, &entries, None)? {
            return Ok(Done::Conflict(index));
        }
        self.sql.execute(&table.sql.insert, &[Param::Blob(&document)])?;
        let row = self.sql.last_insert_rowid();
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
            self.sql.execute(&table.sql.update, &[Param::Blob(&new), Param::Integer(row)])?;
            self.index(table, row, Some(&before), Some(&after))?;
        }
        Ok(Done::Outcome(Outcome::Updated(new)))
    }

    fn delete(&mut self, table: &Table, filter: &Filter, first: bool) -> Result<Done, Error> {
        let matcher = Matcher::new(filter)?;
        let plan = Plan::new(table, &matcher, &[]);
        let mut rows = Vec::new();
        scan(self.sql, table, &plan, &matcher, self.deadline, &mut |row, _| {
            rows.push(row);
            !first
        })?;
        for row in &rows {
            let number = [Param::Integer(*row)];
            let entries = first_row(self.sql, &table.sql.body, &number, |body| {
                Ok(table.entries(body.blob(0)?)?)
            })?;
            if let Some(entries) = entries {
                self.index(table, *row, Some(&entries), None)?;
                self.sql.execute(&table.sql.delete, &number)?;
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
        scan(self.sql, table, &plan, matcher, self.deadline, &mut |row, body| {
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
            if index.taken(self.sql, entries, own)? {
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
            if index.replace(self.sql, row, old, new)? {
                self.noted.push(Arc::clone(index));
            }
        }
        Ok(())
    }
}
