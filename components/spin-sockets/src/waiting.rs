//! Events that wait: for a room's earlier number, or for a socket to release a room.

use pingtalk_documents::{Error, Param, Sql};

use crate::event::Event;

/// Stands for "no number" in the tables; numbers count from 1.
pub(crate) const UNNUMBERED: i64 = 0;

/// An event that waited.
pub(crate) struct Waited {
    pub(crate) sequence: i64,
    pub(crate) event: Event,
    pub(crate) except: String,
}

/// Keeps an event, for a socket or for nobody in particular.
pub(crate) fn add(
    sql: &dyn Sql,
    room: &str,
    socket: &str,
    sequence: i64,
    event: &Event,
    except: &str,
    now: i64,
) -> Result<(), Error> {
    sql.execute(
        "INSERT INTO socket_waiting (room, socket, sequence, event, except_socket, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            Param::Text(room),
            Param::Text(socket),
            Param::Integer(sequence),
            Param::Text(&event.to_text()),
            Param::Text(except),
            Param::Integer(now),
        ],
    )
}

/// How many wait.
pub(crate) fn count(sql: &dyn Sql, room: &str, socket: &str) -> Result<i64, Error> {
    let mut count = 0;
    sql.query(
        "SELECT count(*) FROM socket_waiting WHERE room = ?1 AND socket = ?2",
        &[Param::Text(room), Param::Text(socket)],
        &mut |row| {
            count = row.integer(0)?;
            Ok(false)
        },
    )?;
    Ok(count)
}

/// Takes out what waits from a number on, in order; with `unbroken` only as far as no number is
/// missing. Of a number that came twice the first counts.
pub(crate) fn take(
    sql: &dyn Sql,
    room: &str,
    socket: &str,
    from: i64,
    unbroken: bool,
) -> Result<Vec<Waited>, Error> {
    let mut taken: Vec<Waited> = Vec::new();
    let mut positions = Vec::new();
    sql.query(
        "SELECT position, sequence, event, except_socket FROM socket_waiting \
         WHERE room = ?1 AND socket = ?2 AND sequence >= ?3 ORDER BY sequence, position",
        &[Param::Text(room), Param::Text(socket), Param::Integer(from)],
        &mut |row| {
            let sequence = row.integer(1)?;
            let last = taken.last().map_or(from - 1, |waited| waited.sequence);
            if unbroken && sequence > last + 1 {
                return Ok(false);
            }
            positions.push(row.integer(0)?);
            let again = sequence != UNNUMBERED && taken.iter().any(|it| it.sequence == sequence);
            if let (false, Some(event)) = (again, Event::from_text(row.text(2)?)) {
                taken.push(Waited { sequence, event, except: row.text(3)?.to_owned() });
            }
            Ok(true)
        },
    )?;
    for position in positions {
        sql.execute("DELETE FROM socket_waiting WHERE position = ?1", &[Param::Integer(position)])?;
    }
    Ok(taken)
}
