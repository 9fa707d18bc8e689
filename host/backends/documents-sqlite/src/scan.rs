//! Walks a plan and shows the documents that match.

use std::{collections::HashSet, time::Instant};

use pingtalk_sqlite_thread::Failure;
use rusqlite::{Connection, Rows};

use crate::{error::Error, filter::Matcher, plan::Plan, schema::Table};

/// Shows `see` each match once, until it returns false.
pub(crate) fn scan(
    connection: &Connection,
    table: &Table,
    plan: &Plan,
    matcher: &Matcher,
    deadline: Instant,
    see: &mut dyn FnMut(i64, &[u8]) -> bool,
) -> Result<(), Error> {
    let mut seen = plan.repeats().then(HashSet::new);
    let mut show = |rows: &mut Rows<'_>| -> Result<bool, Error> {
        while let Some(row) = rows.next()? {
            if Instant::now() >= deadline {
                return Err(Failure::Deadline.into());
            }
            let number: i64 = row.get(0)?;
            if seen.as_mut().is_some_and(|seen| !seen.insert(number)) {
                continue;
            }
            let body = row.get_ref(1)?.as_blob()?;
            if matcher.matches(body) && !see(number, body) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let Some(branches) = &plan.branches else {
        let mut statement = connection.prepare_cached(&table.sql.all)?;
        show(&mut statement.query([])?)?;
        return Ok(());
    };
    for branch in branches {
        let mut statement = connection.prepare_cached(branch.index.walk(branch.descending))?;
        for range in &branch.ranges {
            if !show(&mut statement.query([&range.low, &range.high])?)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
