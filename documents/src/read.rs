//! Queries.

use std::{collections::BinaryHeap, time::Instant};

use crate::{
    Direction, Document, DocumentError, Error, Filter, MAX_FIND_BYTES, MAX_FIND_DOCUMENTS, Param,
    Query, Schema, SortKey, Sql,
    filter::Matcher,
    path::{Path, keys},
    plan::{Plan, Sort},
    project::Projection,
    raw::invalid,
    scan::scan,
    schema::Table,
    sql::first as first_row,
};

/// Most sort keys, as in MongoDB's indexes.
const MAX_SORT_KEYS: usize = 32;

/// A checked query.
#[derive(Debug)]
pub struct Find {
    matcher: Matcher,
    sort: Vec<Sort>,
    projection: Projection,
    limit: usize,
}

impl Find {
    /// Checks a query for several documents.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] says what is wrong with it.
    pub fn many(query: &Query) -> Result<Self, DocumentError> {
        if query.limit == 0 || query.limit > MAX_FIND_DOCUMENTS {
            return Err(invalid("a query's limit is 1 to 1,000"));
        }
        Self::new(query, query.limit)
    }

    /// Checks a query for the first document.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] says what is wrong with it.
    pub fn one(query: &Query) -> Result<Self, DocumentError> {
        Self::new(query, 1)
    }

    fn new(query: &Query, limit: u32) -> Result<Self, DocumentError> {
        if query.sort.len() > MAX_SORT_KEYS {
            return Err(invalid("a query has at most 32 sort keys"));
        }
        let sort =
            |key: &SortKey| Ok(Sort { path: Path::parse(&key.path)?, direction: key.direction });
        Ok(Self {
            matcher: Matcher::new(&query.filter)?,
            sort: query.sort.iter().map(sort).collect::<Result<_, DocumentError>>()?,
            projection: Projection::new(query)?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }

    /// The matches in order, up to the limit and [`MAX_FIND_BYTES`].
    ///
    /// # Errors
    /// An undeclared collection, the deadline, or the store's.
    pub fn run(
        &self,
        sql: &dyn Sql,
        schema: &Schema,
        (database, collection): (&str, &str),
        deadline: Instant,
    ) -> Result<Vec<Document>, Error> {
        self.search(sql, schema.table(database, collection)?, deadline)
    }

    fn search(
        &self,
        sql: &dyn Sql,
        table: &Table,
        deadline: Instant,
    ) -> Result<Vec<Document>, Error> {
        let plan = Plan::new(table, &self.matcher, &self.sort);
        let snapshot = Snapshot::of(sql, &plan)?;
        let found = if plan.ordered {
            self.in_order(sql, table, &plan, deadline)?
        } else {
            self.sorted(sql, table, &plan, deadline)?
        };
        drop(snapshot);
        if plan.outdated() { self.search(sql, table, deadline) } else { Ok(found) }
    }

    fn in_order(
        &self,
        sql: &dyn Sql,
        table: &Table,
        plan: &Plan,
        deadline: Instant,
    ) -> Result<Vec<Document>, Error> {
        let mut found = Found::default();
        scan(sql, table, plan, &self.matcher, deadline, &mut |_, body| {
            found.add(self.projection.apply(body)) && found.documents.len() < self.limit
        })?;
        Ok(found.documents)
    }

    /// Keeps the keys of the first `limit`, then fetches those documents.
    fn sorted(
        &self,
        sql: &dyn Sql,
        table: &Table,
        plan: &Plan,
        deadline: Instant,
    ) -> Result<Vec<Document>, Error> {
        let mut first = BinaryHeap::new();
        scan(sql, table, plan, &self.matcher, deadline, &mut |row, body| {
            first.push((sort_key(&self.sort, body), row));
            if first.len() > self.limit {
                first.pop();
            }
            true
        })?;
        let mut found = Found::default();
        for (_, row) in first.into_sorted_vec() {
            let body = first_row(sql, &table.sql.body, &[Param::Integer(row)], |row| {
                Ok(self.projection.apply(row.blob(0)?))
            })?;
            if body.is_some_and(|body| !found.add(body)) {
                break;
            }
        }
        Ok(found.documents)
    }
}

/// A checked question how many documents match.
#[derive(Debug)]
pub struct Count {
    matcher: Matcher,
    limit: u32,
}

impl Count {
    /// Checks a filter whose matches are to be counted, to `limit`.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] says what is wrong with it.
    pub fn new(filter: &Filter, limit: u32) -> Result<Self, DocumentError> {
        Ok(Self { matcher: Matcher::new(filter)?, limit })
    }

    /// How many match.
    ///
    /// # Errors
    /// An undeclared collection, the deadline, or the store's.
    pub fn run(
        &self,
        sql: &dyn Sql,
        schema: &Schema,
        (database, collection): (&str, &str),
        deadline: Instant,
    ) -> Result<u32, Error> {
        self.matches(sql, schema.table(database, collection)?, deadline)
    }

    fn matches(&self, sql: &dyn Sql, table: &Table, deadline: Instant) -> Result<u32, Error> {
        let plan = Plan::new(table, &self.matcher, &[]);
        let mut counted = 0;
        if self.limit > 0 {
            let snapshot = Snapshot::of(sql, &plan)?;
            scan(sql, table, &plan, &self.matcher, deadline, &mut |_, _| {
                counted += 1;
                counted < self.limit
            })?;
            drop(snapshot);
        }
        if plan.outdated() { self.matches(sql, table, deadline) } else { Ok(counted) }
    }
}

/// One snapshot for all statements of a plan; ends, without a write, when dropped.
struct Snapshot<'s>(Option<&'s dyn Sql>);

impl<'s> Snapshot<'s> {
    fn of(sql: &'s dyn Sql, plan: &Plan) -> Result<Self, Error> {
        if plan.is_one_statement() || sql.in_transaction() {
            return Ok(Self(None));
        }
        sql.execute("BEGIN", &[])?;
        Ok(Self(Some(sql)))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if let Some(sql) = self.0 {
            // Nothing was written; a connection that can't even end it fails at its next use.
            drop(sql.execute("ROLLBACK", &[]));
        }
    }
}

/// Documents within [`MAX_FIND_BYTES`].
#[derive(Default)]
struct Found {
    documents: Vec<Document>,
    bytes: usize,
}

impl Found {
    /// False when there is no room; the document is left out then.
    fn add(&mut self, document: Document) -> bool {
        let bytes = self.bytes + document.len();
        if bytes > MAX_FIND_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.documents.push(document);
        true
    }
}

/// The bytes by which a document sorts. Of an array its smallest element counts when ascending, its
/// greatest when descending, as in MongoDB.
fn sort_key(sort: &[Sort], document: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for Sort { path, direction } in sort {
        let keys = keys(document, path).keys;
        match direction {
            Direction::Ascending => out.extend(keys.first().into_iter().flatten()),
            // No key is a prefix of another, so inverting the bytes inverts the order.
            Direction::Descending => {
                out.extend(keys.last().into_iter().flatten().map(|byte| !byte))
            }
        }
    }
    out
}
