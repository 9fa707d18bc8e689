//! The outbox: events stored in the transaction that caused them, until the relay has them in the
//! queue.

use pingtalk_capabilities::{
    documents::{NewEvent, Unpublished},
    events::Event,
};
use rusqlite::{Connection, params};

use crate::error::Error;

/// Most events handed to the relay at once.
const MAX_EVENTS: usize = 1_000;
/// Most payload bytes handed to the relay at once.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Stores an event with an id of its own.
pub(crate) fn add(connection: &Connection, event: &NewEvent, now: i64) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO outbox (id, topic, payload, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            bson::oid::ObjectId::new().to_hex(),
            event.topic,
            &event.payload[..],
            now
        ])?;
    Ok(())
}

/// The oldest events, in commit order.
pub(crate) fn oldest(connection: &Connection, limit: usize) -> Result<Vec<Unpublished>, Error> {
    let limit = limit.min(MAX_EVENTS);
    let mut statement = connection.prepare_cached(
        "SELECT position, id, topic, payload, at FROM outbox ORDER BY position LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let payload: Vec<u8> = row.get(3)?;
        bytes += payload.len();
        if bytes > MAX_BYTES && !found.is_empty() {
            break;
        }
        let event = Event {
            id: row.get(1)?,
            topic: row.get(2)?,
            payload: payload.into(),
            attempt: 0,
            published_at: row.get(4)?,
        };
        let position: i64 = row.get(0)?;
        found.push(Unpublished { position: position.to_string(), event });
    }
    Ok(found)
}

/// Forgets events.
pub(crate) fn forget(connection: &Connection, positions: &[String]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("DELETE FROM outbox WHERE position = ?1")?;
    for position in positions {
        let position: i64 =
            position.parse().map_err(|_| crate::raw::invalid("not a position of this outbox"))?;
        statement.execute([position])?;
    }
    Ok(())
}
