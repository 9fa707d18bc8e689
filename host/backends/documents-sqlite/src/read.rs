//! Queries, on a reader thread.

use std::{collections::BinaryHeap, time::Instant};

use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Direction, DocumentError, MAX_FIND_BYTES, MAX_FIND_DOCUMENTS, Query,
};
use rusqlite::Connection;

use crate::{
    error::Error,
    filter::Matcher,
    path::{Path, keys},
    plan::{Plan, Sort},
    project::Projection,
    raw::invalid,
    scan::scan,
    schema::Table,
};

/// Most sort keys, as in MongoDB's indexes.
const MAX_SORT_KEYS: usize = 32;

/// A checked query.
#[derive(Debug)]
pub(crate) struct Find {
    matcher: Matcher,
    sort: Vec<Sort>,
    projection: Projection,
    limit: usize,
}

impl Find {
    /// Checks a query for several documents.
    pub(crate) fn many(query: &Query) -> Result<Self, DocumentError> {
        if query.limit == 0 || query.limit > MAX_FIND_DOCUMENTS {
            return Err(invalid("a query's limit is 1 to 1,000"));
        }
        Self::new(query, query.limit)
    }

    /// Checks a query for the first document.
    pub(crate) fn one(query: &Query) -> Result<Self, DocumentError> {
        Self::new(query, 1)
    }

    fn new(query: &Query, limit: u32) -> Result<Self, DocumentError> {
        if query.sort.len() > MAX_SORT_KEYS {
            return Err(invalid("a query has at most 32 sort keys"));
        }
        let sort = |key: &pingtalk_capabilities::documents::SortKey| {
            Ok(Sort { path: Path::parse(&key.path)?, direction: key.direction })
        };
        Ok(Self {
            matcher: Matcher::new(&query.filter)?,
            sort: query.sort.iter().map(sort).collect::<Result<_, DocumentError>>()?,
            projection: Projection::new(query)?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }

    /// The matches in order, up to the limit and [`MAX_FIND_BYTES`].
    pub(crate) fn run(
        &self,
        connection: &Connection,
        table: &Table,
        deadline: Instant,
    ) -> Result<Vec<Bytes>, Error> {
        let plan = Plan::new(table, &self.matcher, &self.sort);
        let snapshot = snapshot(connection, &plan)?;
        let found = if plan.ordered {
            self.in_order(connection, table, &plan, deadline)?
        } else {
            self.sorted(connection, table, &plan, deadline)?
        };
        drop(snapshot);
        if plan.outdated() { self.run(connection, table, deadline) } else { Ok(found) }
    }

    fn in_order(
        &self,
        connection: &Connection,
        table: &Table,
        plan: &Plan,
        deadline: Instant,
    ) -> Result<Vec<Bytes>, Error> {
        let mut found = Found::default();
        scan(connection, table, plan, &self.matcher, deadline, &mut |_, body| {
            found.add(self.projection.apply(body)) && found.documents.len() < self.limit
        })?;
        Ok(found.documents)
    }

    /// Keeps the keys of the first `limit`, then fetches those documents.
    fn sorted(
        &self,
        connection: &Connection,
        table: &Table,
        plan: &Plan,
        deadline: Instant,
    ) -> Result<Vec<Bytes>, Error> {
        let mut first = BinaryHeap::new();
        scan(connection, table, plan, &self.matcher, deadline, &mut |row, body| {
            first.push((sort_key(&self.sort, body), row));
            if first.len() > self.limit {
                first.pop();
            }
            true
        })?;
        let mut found = Found::default();
        let mut statement = connection.prepare_cached(&table.sql.body)?;
        for (_, row) in first.into_sorted_vec() {
            let mut rows = statement.query([row])?;
            let Some(row) = rows.next()? else { continue };
            if !found.add(self.projection.apply(row.get_ref(0)?.as_blob()?)) {
                break;
            }
        }
        Ok(found.documents)
    }
}

/// How many documents match, counting to `limit`.
pub(crate) fn count(
    connection: &Connection,
    table: &Table,
    matcher: &Matcher,
    limit: u32,
    deadline: Instant,
) -> Result<u32, Error> {
    let plan = Plan::new(table, matcher, &[]);
    let mut counted = 0;
    if limit > 0 {
        let snapshot = snapshot(connection, &plan)?;
        scan(connection, table, &plan, matcher, deadline, &mut |_, _| {
            counted += 1;
            counted < limit
        })?;
        drop(snapshot);
    }
    if plan.outdated() { count(connection, table, matcher, limit, deadline) } else { Ok(counted) }
}

/// One snapshot for all statements of a plan; ends, without a write, when dropped.
fn snapshot<'c>(
    connection: &'c Connection,
    plan: &Plan,
) -> Result<Option<rusqlite::Transaction<'c>>, Error> {
    if plan.is_one_statement() {
        return Ok(None);
    }
    Ok(Some(connection.unchecked_transaction()?))
}

/// Documents within [`MAX_FIND_BYTES`].
#[derive(Default)]
struct Found {
    documents: Vec<Bytes>,
    bytes: usize,
}

impl Found {
    /// False when there is no room; the document is left out then.
    fn add(&mut self, document: Bytes) -> bool {
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
