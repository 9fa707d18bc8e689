//! The order of a room's numbered events: what came early waits, what is late is given up on, and what
//! was passed over may still come.

use pingtalk_documents::{Error, Param, Sql};

use crate::{
    event::Event,
    rooms::{deliver, is_empty},
    settings::{MAX_EARLY, REORDER_WINDOW},
    waiting,
};

/// Numbers passed over that are remembered of a room.
const MAX_GAPS: usize = 256;
/// Events that wait for a room's earlier number belong to no socket.
const NO_SOCKET: &str = "";

/// Delivers an event in its turn.
pub(crate) fn in_order(
    sql: &dyn Sql,
    room: &str,
    event: &Event,
    sequence: i64,
    except: &str,
    now: i64,
) -> Result<(), Error> {
    let Some(mut order) = Order::of(sql, room)? else {
        if !is_empty(sql, room)? {
            deliver(sql, room, event, sequence, except)?;
            Order::after(sequence).keep(sql, room)?;
        }
        return Ok(());
    };
    if sequence <= order.last {
        let Some(at) = order.gaps.iter().position(|gap| *gap == sequence) else { return Ok(()) };
        order.gaps.remove(at);
        order.keep(sql, room)?;
        return deliver(sql, room, event, sequence, except);
    }
    if sequence > order.last + 1 {
        waiting::add(sql, room, NO_SOCKET, sequence, event, except, now)?;
        return if waiting::count(sql, room, NO_SOCKET)? > MAX_EARLY {
            pass_over(sql, room)
        } else {
            Ok(())
        };
    }
    deliver(sql, room, event, sequence, except)?;
    order.last = sequence;
    followers(sql, room, &mut order)?;
    order.keep(sql, room)
}

/// What went out of a room.
pub(crate) struct Order {
    last: i64,
    /// Numbers before it that did not go out.
    gaps: Vec<i64>,
}

impl Order {
    /// A room of which everything up to a number is known to have gone out.
    pub(crate) fn after(last: i64) -> Self {
        Self { last, gaps: Vec::new() }
    }

    pub(crate) fn of(sql: &dyn Sql, room: &str) -> Result<Option<Self>, Error> {
        let mut found = None;
        sql.query(
            "SELECT last, gaps FROM socket_rooms WHERE room = ?1",
            &[Param::Text(room)],
            &mut |row| {
                let gaps = row.text(1)?.split(',').filter_map(|gap| gap.parse().ok()).collect();
                found = Some(Self { last: row.integer(0)?, gaps });
                Ok(false)
            },
        )?;
        Ok(found)
    }

    pub(crate) fn keep(&self, sql: &dyn Sql, room: &str) -> Result<(), Error> {
        let surplus = self.gaps.len().saturating_sub(MAX_GAPS);
        let gaps: Vec<String> = self.gaps.iter().skip(surplus).map(i64::to_string).collect();
        sql.execute(
            "INSERT INTO socket_rooms (room, last, gaps) VALUES (?1, ?2, ?3) \
             ON CONFLICT (room) DO UPDATE SET last = ?2, gaps = ?3",
            &[Param::Text(room), Param::Integer(self.last), Param::Text(&gaps.join(","))],
        )
    }
}

/// Sends what waited for the number that just went out.
fn followers(sql: &dyn Sql, room: &str, order: &mut Order) -> Result<(), Error> {
    for waited in waiting::take(sql, room, NO_SOCKET, order.last + 1, true)? {
        deliver(sql, room, &waited.event, waited.sequence, &waited.except)?;
        order.last = waited.sequence;
    }
    Ok(())
}

/// Gives up on the numbers before the first event that waits.
fn pass_over(sql: &dyn Sql, room: &str) -> Result<(), Error> {
    let Some(mut order) = Order::of(sql, room)? else { return Ok(()) };
    for waited in waiting::take(sql, room, NO_SOCKET, order.last + 1, false)? {
        let lost = waited.sequence - order.last - 1;
        let remembered = lost.min(i64::try_from(MAX_GAPS).unwrap_or(i64::MAX));
        order.gaps.extend(waited.sequence - remembered..waited.sequence);
        deliver(sql, room, &waited.event, waited.sequence, &waited.except)?;
        order.last = waited.sequence;
    }
    order.keep(sql, room)
}

/// True when something has been waited for long enough.
pub(crate) fn has_late(sql: &dyn Sql, now: i64) -> Result<bool, Error> {
    let mut late = false;
    sql.query(
        "SELECT 1 FROM socket_waiting WHERE socket = '' AND at <= ?1",
        &[Param::Integer(now - REORDER_WINDOW)],
        &mut |_| {
            late = true;
            Ok(false)
        },
    )?;
    Ok(late)
}

/// Gives up, in every room, on what has been waited for long enough.
pub(crate) fn pass_over_the_late(sql: &dyn Sql, now: i64) -> Result<(), Error> {
    let mut rooms = Vec::new();
    sql.query(
        "SELECT DISTINCT room FROM socket_waiting WHERE socket = '' AND at <= ?1",
        &[Param::Integer(now - REORDER_WINDOW)],
        &mut |row| {
            rooms.push(row.text(0)?.to_owned());
            Ok(true)
        },
    )?;
    rooms.iter().try_for_each(|room| pass_over(sql, room))
}
