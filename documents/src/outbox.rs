//! The outbox: events stored in the transaction that caused them, until somebody has passed them on.

use bytes::Bytes;

use crate::{Error, NewEvent, Param, Sql, raw::invalid};

/// Most events handed out at once.
const MAX_EVENTS: usize = 1_000;
/// Most payload bytes handed out at once.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place: they are handed out in ascending order.
    pub position: i64,
    /// Its id, made when it was stored.
    pub id: String,
    /// Routing key.
    pub topic: String,
    /// Body.
    pub payload: Bytes,
    /// When it was stored: milliseconds since the epoch.
    pub at: i64,
}

/// Stores an event with an id of its own.
pub(crate) fn add(sql: &dyn Sql, event: &NewEvent, now: i64) -> Result<(), Error> {
    sql.execute(
        "INSERT INTO outbox (id, topic, payload, at) VALUES (?1, ?2, ?3, ?4)",
        &[
            Param::Text(&bson::oid::ObjectId::new().to_hex()),
            Param::Text(&event.topic),
            Param::Blob(&event.payload),
            Param::Integer(now),
        ],
    )
}

/// The oldest events after a position, in commit order.
///
/// # Errors
/// The store's.
pub fn oldest(sql: &dyn Sql, after: i64, limit: usize) -> Result<Vec<Waiting>, Error> {
    let limit = limit.min(MAX_EVENTS);
    let (mut found, mut bytes) = (Vec::new(), 0);
    if limit == 0 {
        return Ok(found);
    }
    sql.query(
        "SELECT position, id, topic, payload, at FROM outbox WHERE position > ?1 ORDER BY position",
        &[Param::Integer(after)],
        &mut |row| {
            let payload = row.blob(3)?;
            bytes += payload.len();
            if bytes > MAX_BYTES && !found.is_empty() {
                return Ok(false);
            }
            found.push(Waiting {
                position: row.integer(0)?,
                id: row.text(1)?.to_owned(),
                topic: row.text(2)?.to_owned(),
                payload: Bytes::copy_from_slice(payload),
                at: row.integer(4)?,
            });
            Ok(found.len() < limit)
        },
    )?;
    Ok(found)
}

/// Forgets events that were passed on.
///
/// # Errors
/// The store's, or a position that is none.
pub fn forget<'p>(
    sql: &dyn Sql,
    positions: impl IntoIterator<Item = &'p str>,
) -> Result<(), Error> {
    for position in positions {
        let position = position.parse().map_err(|_| invalid("not a position of this outbox"))?;
        sql.execute("DELETE FROM outbox WHERE position = ?1", &[Param::Integer(position)])?;
    }
    Ok(())
}
