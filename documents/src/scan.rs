//! Walks a plan and shows the documents that match.

use std::{collections::HashSet, time::Instant};

use crate::{Error, Param, Row, Sql, filter::Matcher, plan::Plan, schema::Table};

/// Shows `see` each match once, until it returns false.
pub(crate) fn scan(
    sql: &dyn Sql,
    table: &Table,
    plan: &Plan,
    matcher: &Matcher,
    deadline: Instant,
    see: &mut dyn FnMut(i64, &[u8]) -> bool,
) -> Result<(), Error> {
    let mut seen = plan.repeats().then(HashSet::new);
    let mut show = |row: &dyn Row| -> Result<bool, Error> {
        if Instant::now() >= deadline {
            return Err(Error::Deadline);
        }
        let number = row.integer(0)?;
        if seen.as_mut().is_some_and(|seen| !seen.insert(number)) {
            return Ok(true);
        }
        let body = row.blob(1)?;
        Ok(!matcher.matches(body) || see(number, body))
    };
    let Some(branches) = &plan.branches else {
        return sql.query(&table.sql.all, &[], &mut show);
    };
    for branch in branches {
        let statement = branch.index.walk(branch.descending);
        for range in &branch.ranges {
            let range = [Param::Blob(&range.low), Param::Blob(&range.high)];
            let mut stopped = false;
            sql.query(statement, &range, &mut |row| {
                let more = show(row)?;
                stopped = !more;
                Ok(more)
            })?;
            if stopped {
                return Ok(());
            }
        }
    }
    Ok(())
}
