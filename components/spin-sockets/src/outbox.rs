//! Packets that wait for a session's poll.

use pingtalk_documents::{Error, Param, Sql};

use crate::{
    payload,
    session::{self, Gone},
    settings::{MAX_PAYLOAD, MAX_QUEUED_BYTES, MAX_QUEUED_PACKETS},
};

/// Ends a session once everything before it was sent.
pub(crate) const CLOSE: &str = "1";

/// Adds packets that belong together. A session that does not fetch what waits for it is closed rather
/// than left with a gap.
pub(crate) fn push(sql: &dyn Sql, session: &str, packets: &[String]) -> Result<(), Error> {
    let id = Param::Text(session);
    let mut room = None;
    sql.query(
        "SELECT packets, bytes, closing FROM socket_sessions WHERE id = ?1",
        &[id],
        &mut |row| {
            room = Some((row.integer(0)?, row.integer(1)?, row.integer(2)? != 0));
            Ok(false)
        },
    )?;
    let Some((queued, bytes, false)) = room else { return Ok(()) };
    let count = i64::try_from(packets.len()).unwrap_or(i64::MAX);
    let size: usize = packets.iter().map(String::len).sum();
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if queued + count > MAX_QUEUED_PACKETS || bytes.saturating_add(size) > MAX_QUEUED_BYTES {
        return session::end(sql, session, Gone::Overflow);
    }
    for packet in packets {
        sql.execute(
            "INSERT INTO socket_packets (session, packet) VALUES (?1, ?2)",
            &[id, Param::Text(packet)],
        )?;
    }
    sql.execute(
        "UPDATE socket_sessions SET packets = packets + ?2, bytes = bytes + ?3 WHERE id = ?1",
        &[id, Param::Integer(count), Param::Integer(size)],
    )
}

/// Takes what waits, as the body of a poll's answer: as much as one answer may hold, but a packet at
/// least. Empty when nothing waits.
pub(crate) fn take(sql: &dyn Sql, session: &str) -> Result<String, Error> {
    let id = Param::Text(session);
    let (mut body, mut last, mut count, mut bytes) = (String::new(), 0, 0_i64, 0_i64);
    sql.query(
        "SELECT position, packet FROM socket_packets WHERE session = ?1 ORDER BY position",
        &[id],
        &mut |row| {
            let packet = row.text(1)?;
            if !body.is_empty() && body.len() + packet.len() > MAX_PAYLOAD {
                return Ok(false);
            }
            payload::add(&mut body, packet);
            last = row.integer(0)?;
            count += 1;
            bytes += i64::try_from(packet.len()).unwrap_or(i64::MAX);
            Ok(true)
        },
    )?;
    if count > 0 {
        sql.execute(
            "DELETE FROM socket_packets WHERE session = ?1 AND position <= ?2",
            &[id, Param::Integer(last)],
        )?;
        sql.execute(
            "UPDATE socket_sessions SET packets = packets - ?2, bytes = bytes - ?3 WHERE id = ?1",
            &[id, Param::Integer(count), Param::Integer(bytes)],
        )?;
    }
    Ok(body)
}
