//! The events on disk: one row per queue and event, in one of three states.
//!
//! A row that is done stays for a week without its payload, so that publishing the same event
//! again is recognised. `due` is 0 until the first retry: fresh events go in the order of their
//! positions, which is the order of publishing, whatever the clock does.

use pingtalk_capabilities::events::{DeadLetter, Event};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Error;

/// What this code writes; a database of a later format is refused.
const FORMAT: i64 = 1;
/// How long a handled event is remembered, in milliseconds: a week.
const REMEMBERED: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Most handled events remembered; the oldest go first.
const MAX_REMEMBERED: i64 = 1_000_000;
/// Handled events forgotten with each that is handled: more than one, so that it shrinks.
const PRUNED: i64 = 4;
/// Most dead letters returned at once.
const MAX_LISTED: usize = 1_000;
/// Longest reason kept, in bytes.
const MAX_REASON_BYTES: usize = 2_000;

const WAITING: i64 = 0;
const DONE: i64 = 1;
const DEAD: i64 = 2;

/// A waiting event.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) position: i64,
    /// With the attempts made so far.
    pub(crate) event: Event,
}

/// Makes the tables, once.
pub(crate) fn prepare(connection: &Connection) -> Result<(), Error> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        let text = "the database was written by a newer version".to_owned();
        return Err(Error(pingtalk_sqlite_thread::Failure::Storage(text)));
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS queues (
             number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
         CREATE TABLE IF NOT EXISTS events (
             position INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, id TEXT NOT NULL,
             topic TEXT NOT NULL, payload BLOB NOT NULL, published_at INTEGER NOT NULL,
             attempts INTEGER NOT NULL, due INTEGER NOT NULL, state INTEGER NOT NULL,
             reason TEXT, settled_at INTEGER, UNIQUE (queue, id)) STRICT;
         CREATE INDEX IF NOT EXISTS waiting ON events (queue, due, position) WHERE state = {WAITING};
         CREATE INDEX IF NOT EXISTS done ON events (settled_at) WHERE state = {DONE};
         CREATE INDEX IF NOT EXISTS dead ON events (queue, settled_at) WHERE state = {DEAD};
         PRAGMA user_version = {FORMAT};
         COMMIT;"
    ))?;
    Ok(())
}

/// The number of a queue, made if it is new.
pub(crate) fn queue(connection: &Connection, name: &str) -> Result<i64, Error> {
    connection.execute("INSERT OR IGNORE INTO queues (name) VALUES (?1)", [name])?;
    Ok(connection
        .query_row("SELECT number FROM queues WHERE name = ?1", [name], |row| row.get(0))?)
}

/// Adds an event to a queue unless it was there within the last week. True when it is new.
pub(crate) fn add(connection: &Connection, queue: i64, event: &Event) -> Result<bool, Error> {
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO events \
             (queue, id, topic, payload, published_at, attempts, due, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0)",
        )?
        .execute(params![queue, event.id, event.topic, &event.payload[..], event.published_at])?;
    Ok(added == 1)
}

/// Fresh events after a position, in order.
pub(crate) fn fresh(
    connection: &Connection,
    queue: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<Waiting>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT position, id, topic, payload, attempts, published_at FROM events \
         WHERE state = 0 AND queue = ?1 AND due = 0 AND position > ?2 ORDER BY position LIMIT ?3",
    )?;
    let rows = statement.query_map(params![queue, after, count(limit)], waiting)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Events that are due again, the longest due first.
pub(crate) fn due(
    connection: &Connection,
    queue: i64,
    now: i64,
    limit: usize,
) -> Result<Vec<Waiting>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT position, id, topic, payload, attempts, published_at FROM events \
         WHERE state = 0 AND queue = ?1 AND due > 0 AND due <= ?2 ORDER BY due, position LIMIT ?3",
    )?;
    let rows = statement.query_map(params![queue, now, count(limit)], waiting)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next retry after `now` is due.
pub(crate) fn next_due(
    connection: &Connection,
    queue: i64,
    now: i64,
) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT due FROM events WHERE state = 0 AND queue = ?1 AND due > max(?2, 0) \
         ORDER BY due LIMIT 1",
    )?;
    Ok(statement.query_row([queue, now], |row| row.get(0)).optional()?)
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting { position: row.get(0)?, event: event(row)? })
}

/// Reads id, topic, payload, attempts and published_at from the columns 1 to 5.
fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let payload: Vec<u8> = row.get(3)?;
    Ok(Event {
        id: row.get(1)?,
        topic: row.get(2)?,
        payload: payload.into(),
        attempt: row.get(4)?,
        published_at: row.get(5)?,
    })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The event was handled: only its id is kept.
pub(crate) fn done(connection: &Connection, position: i64, now: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE events SET state = 1, payload = X'', reason = NULL, settled_at = ?2 \
             WHERE position = ?1 AND state = 0",
        )?
        .execute([position, now])?;
    Ok(())
}

/// Forgets a few handled events: those over a week old, or over the bound, of which `remembered` are
/// there. Returns how many.
pub(crate) fn prune(connection: &Connection, remembered: i64, now: i64) -> Result<i64, Error> {
    let surplus = remembered > MAX_REMEMBERED;
    let pruned = connection
        .prepare_cached(
            "DELETE FROM events WHERE position IN (SELECT position FROM events WHERE state = 1 \
             ORDER BY settled_at LIMIT ?1) AND (?2 OR settled_at <= ?3)",
        )?
        .execute(params![PRUNED, surplus, now - REMEMBERED])?;
    Ok(count(pruned))
}

/// How many handled events are remembered.
pub(crate) fn remembered(connection: &Connection) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM events WHERE state = 1";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// The event comes again when it is due.
pub(crate) fn retry(
    connection: &Connection,
    position: i64,
    attempts: u32,
    due: i64,
    reason: &str,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE events SET attempts = ?2, due = ?3, reason = ?4 \
             WHERE position = ?1 AND state = 0",
        )?
        .execute(params![position, attempts, due.max(1), cut(reason)])?;
    Ok(())
}

/// The event is a dead letter now.
pub(crate) fn bury(
    connection: &Connection,
    position: i64,
    attempts: u32,
    reason: &str,
    now: i64,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE events SET state = 2, attempts = ?2, reason = ?3, settled_at = ?4 \
             WHERE position = ?1 AND state = 0",
        )?
        .execute(params![position, attempts, cut(reason), now])?;
    Ok(())
}

fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

/// How many events of a queue wait.
pub(crate) fn depth(connection: &Connection, queue: i64) -> Result<u64, Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM events WHERE state = 0 AND queue = ?1")?;
    let depth: i64 = statement.query_row([queue], |row| row.get(0))?;
    Ok(depth.unsigned_abs())
}

/// How many dead letters a queue has.
pub(crate) fn dead_count(connection: &Connection, queue: i64) -> Result<u64, Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM events WHERE state = 2 AND queue = ?1")?;
    let dead: i64 = statement.query_row([queue], |row| row.get(0))?;
    Ok(dead.unsigned_abs())
}

/// The oldest dead letters of a queue.
pub(crate) fn dead(
    connection: &Connection,
    queue: i64,
    name: &str,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT position, id, topic, payload, attempts, published_at, reason, settled_at \
         FROM events WHERE state = 2 AND queue = ?1 ORDER BY settled_at, position LIMIT ?2",
    )?;
    let letter = |row: &Row<'_>| {
        Ok(DeadLetter {
            queue: name.to_owned(),
            event: event(row)?,
            reason: row.get(6)?,
            died_at: row.get(7)?,
        })
    };
    let rows = statement.query_map(params![queue, count(limit.min(MAX_LISTED))], letter)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Puts a dead letter back, due now. False when there is none.
pub(crate) fn replay(
    connection: &Connection,
    queue: i64,
    id: &str,
    now: i64,
) -> Result<bool, Error> {
    let replayed = connection
        .prepare_cached(
            "UPDATE events SET state = 0, attempts = 0, due = ?3, reason = NULL, settled_at = NULL \
             WHERE queue = ?1 AND id = ?2 AND state = 2",
        )?
        .execute(params![queue, id, now.max(1)])?;
    Ok(replayed == 1)
}

/// Drops a dead letter: as of an event that was handled, only its id is kept, so that publishing it
/// again does not bring it back. False when there is none.
pub(crate) fn discard(
    connection: &Connection,
    queue: i64,
    id: &str,
    now: i64,
) -> Result<bool, Error> {
    let discarded = connection
        .prepare_cached(
            "UPDATE events SET state = 1, payload = X'', reason = NULL, settled_at = ?3 \
             WHERE queue = ?1 AND id = ?2 AND state = 2",
        )?
        .execute(params![queue, id, now])?;
    Ok(discarded == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;

    use super::*;

    fn event(id: i64) -> Event {
        Event {
            id: id.to_string(),
            topic: "t".to_owned(),
            payload: Bytes::from_static(b"{}"),
            attempt: 0,
            published_at: 0,
        }
    }

    /// Ten handled events, settled at the times 1 to 10, and one that waits.
    fn table() -> (Connection, i64) {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        let queue = queue(&connection, "q").unwrap();
        for at in 1..=11 {
            assert!(add(&connection, queue, &event(at)).unwrap());
            if at <= 10 {
                done(&connection, at, at).unwrap();
            }
        }
        (connection, queue)
    }

    #[test]
    fn handled_events_are_remembered_for_a_week() {
        let (connection, queue) = table();
        assert_eq!(remembered(&connection).unwrap(), 10);
        assert_eq!(prune(&connection, 10, REMEMBERED).unwrap(), 0);
        assert_eq!(prune(&connection, 10, REMEMBERED + 3).unwrap(), 3);
        assert!(add(&connection, queue, &event(3)).unwrap(), "forgotten");
        assert!(!add(&connection, queue, &event(4)).unwrap(), "remembered");
        assert!(!add(&connection, queue, &event(11)).unwrap(), "waiting");
        for _ in 0..9 {
            prune(&connection, 10, i64::MAX).unwrap();
        }
        assert_eq!(remembered(&connection).unwrap(), 0);
        assert_eq!(depth(&connection, queue).unwrap(), 2, "what waits is never forgotten");
    }

    #[test]
    fn the_oldest_go_first_when_there_are_too_many() {
        let (connection, queue) = table();
        assert_eq!(prune(&connection, MAX_REMEMBERED, 20).unwrap(), 0);
        assert_eq!(prune(&connection, MAX_REMEMBERED + 1, 20).unwrap(), PRUNED);
        assert!(add(&connection, queue, &event(PRUNED)).unwrap());
        assert!(!add(&connection, queue, &event(PRUNED + 1)).unwrap());
    }

    #[test]
    fn reasons_are_cut_at_a_character() {
        let reason = "\u{e4}".repeat(MAX_REASON_BYTES);
        assert_eq!(cut(&reason).len(), MAX_REASON_BYTES);
        assert_eq!(cut(&format!("x{reason}")).len(), MAX_REASON_BYTES - 1);
        assert_eq!(cut("short"), "short");
    }
}
