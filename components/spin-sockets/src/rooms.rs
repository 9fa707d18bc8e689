//! Who gets an event, and when.
//!
//! A room's numbered events go out in the order of their numbers ([`crate::order`]). A socket that
//! holds a room gets what came meanwhile when it releases the room, but for what its history covered.

use pingtalk_documents::{Error, Param, Sql};

use crate::{
    event::{Encoded, Event},
    order::{Order, in_order},
    outbox,
    session::{self, Gone},
    settings::{MAX_HELD, MAX_ROOMS},
    waiting::{self, UNNUMBERED},
};

/// Whom a component addresses.
pub(crate) enum Target {
    Socket(String),
    User(String),
    Room(String),
}

/// A connected socket.
struct Peer {
    id: String,
    session: String,
    spelling: String,
}

/// A socket in a room.
struct Member {
    peer: Peer,
    held: bool,
    floor: i64,
}

/// The sockets a target means, now.
fn peers(sql: &dyn Sql, target: &Target) -> Result<Vec<Peer>, Error> {
    let (statement, name) = match target {
        Target::Socket(id) => {
            ("SELECT id, session, spelling FROM sockets WHERE id = ?1 AND gone = ''", id)
        }
        Target::User(user) => {
            ("SELECT id, session, spelling FROM sockets WHERE user = ?1 AND gone = ''", user)
        }
        Target::Room(room) => (
            "SELECT s.id, s.session, s.spelling FROM socket_members AS m JOIN sockets AS s \
             ON s.id = m.socket WHERE m.room = ?1 AND s.gone = ''",
            room,
        ),
    };
    let mut found = Vec::new();
    sql.query(statement, &[Param::Text(name)], &mut |row| {
        found.push(Peer {
            id: row.text(0)?.to_owned(),
            session: row.text(1)?.to_owned(),
            spelling: row.text(2)?.to_owned(),
        });
        Ok(true)
    })?;
    Ok(found)
}

fn members(sql: &dyn Sql, room: &str) -> Result<Vec<Member>, Error> {
    let mut found = Vec::new();
    sql.query(
        "SELECT s.id, s.session, s.spelling, m.held_since, m.floor \
         FROM socket_members AS m JOIN sockets AS s ON s.id = m.socket \
         WHERE m.room = ?1 AND s.gone = ''",
        &[Param::Text(room)],
        &mut |row| {
            found.push(Member {
                peer: Peer {
                    id: row.text(0)?.to_owned(),
                    session: row.text(1)?.to_owned(),
                    spelling: row.text(2)?.to_owned(),
                },
                held: row.integer(3)? != 0,
                floor: row.integer(4)?,
            });
            Ok(true)
        },
    )?;
    Ok(found)
}

/// Queues an event for a target's sockets.
pub(crate) fn emit(
    sql: &dyn Sql,
    target: &Target,
    event: &Event,
    sequence: Option<i64>,
    except: &str,
    now: i64,
) -> Result<(), Error> {
    let Target::Room(room) = target else {
        let mut encoded = Encoded::new(event);
        for peer in peers(sql, target)?.iter().filter(|peer| peer.id != except) {
            outbox::push(sql, &peer.session, encoded.packets(&peer.spelling))?;
        }
        return Ok(());
    };
    match sequence {
        None => deliver(sql, room, event, UNNUMBERED, except),
        Some(sequence) => in_order(sql, room, event, sequence, except, now),
    }
}

/// True when nobody is in a room.
pub(crate) fn is_empty(sql: &dyn Sql, room: &str) -> Result<bool, Error> {
    Ok(peers(sql, &Target::Room(room.to_owned()))?.is_empty())
}

/// Hands an event to a room's sockets, but to those whose history covers it.
pub(crate) fn deliver(
    sql: &dyn Sql,
    room: &str,
    event: &Event,
    sequence: i64,
    except: &str,
) -> Result<(), Error> {
    let mut encoded = Encoded::new(event);
    for Member { peer, held, floor } in members(sql, room)? {
        if peer.id == except || (sequence != UNNUMBERED && sequence <= floor) {
            continue;
        }
        if held {
            if waiting::count(sql, room, &peer.id)? >= MAX_HELD {
                session::end(sql, &peer.session, Gone::Overflow)?;
                continue;
            }
            waiting::add(sql, room, &peer.id, sequence, event, "", 0)?;
            continue;
        }
        outbox::push(sql, &peer.session, encoded.packets(&peer.spelling))?;
    }
    Ok(())
}

/// Adds a target's sockets to a room; what was wrong, if it can't be.
pub(crate) fn join(
    sql: &dyn Sql,
    target: &Target,
    room: &str,
    hold: bool,
    now: i64,
) -> Result<Result<(), String>, Error> {
    for peer in peers(sql, target)? {
        let mut rooms = 0;
        sql.query(
            "SELECT count(*) FROM socket_members WHERE socket = ?1 AND room <> ?2",
            &[Param::Text(&peer.id), Param::Text(room)],
            &mut |row| {
                rooms = row.integer(0)?;
                Ok(false)
            },
        )?;
        if usize::try_from(rooms).unwrap_or(usize::MAX) >= MAX_ROOMS {
            return Ok(Err(format!("a socket can be in {MAX_ROOMS} rooms")));
        }
        sql.execute(
            "INSERT INTO socket_members (room, socket, held_since, floor) \
             VALUES (?1, ?2, ?3, 0) ON CONFLICT (room, socket) DO UPDATE \
             SET held_since = max(held_since, ?3)",
            &[Param::Text(room), Param::Text(&peer.id), Param::Integer(if hold { now } else { 0 })],
        )?;
    }
    Ok(Ok(()))
}

/// Ends the holds of a target's sockets: what came after the number they have follows.
pub(crate) fn release(sql: &dyn Sql, target: &Target, room: &str, after: i64) -> Result<(), Error> {
    for peer in peers(sql, target)? {
        let mut last = after;
        for waited in waiting::take(sql, room, &peer.id, UNNUMBERED, false)? {
            if waited.sequence == UNNUMBERED || waited.sequence > after {
                let mut encoded = Encoded::new(&waited.event);
                outbox::push(sql, &peer.session, encoded.packets(&peer.spelling))?;
                last = last.max(waited.sequence);
            }
        }
        sql.execute(
            "UPDATE socket_members SET held_since = 0, floor = max(floor, ?3) \
             WHERE room = ?1 AND socket = ?2",
            &[Param::Text(room), Param::Text(&peer.id), Param::Integer(after)],
        )?;
        if Order::of(sql, room)?.is_none() {
            // The history tells which number comes next.
            Order::after(last).keep(sql, room)?;
        }
    }
    Ok(())
}

/// Removes a target's sockets from a room.
pub(crate) fn leave(sql: &dyn Sql, target: &Target, room: &str) -> Result<(), Error> {
    peers(sql, target)?.iter().try_for_each(|peer| leave_one(sql, &peer.id, room))
}

/// Removes a socket from a room, and what is kept of the room when it was the last.
fn leave_one(sql: &dyn Sql, socket: &str, room: &str) -> Result<(), Error> {
    let both = [Param::Text(room), Param::Text(socket)];
    sql.execute("DELETE FROM socket_members WHERE room = ?1 AND socket = ?2", &both)?;
    sql.execute("DELETE FROM socket_waiting WHERE room = ?1 AND socket = ?2", &both)?;
    let of_room = [Param::Text(room)];
    sql.execute(
        "DELETE FROM socket_rooms WHERE room = ?1 \
         AND NOT EXISTS (SELECT 1 FROM socket_members WHERE room = ?1)",
        &of_room,
    )?;
    sql.execute(
        "DELETE FROM socket_waiting WHERE room = ?1 \
         AND NOT EXISTS (SELECT 1 FROM socket_members WHERE room = ?1)",
        &of_room,
    )
}

/// Removes a socket from all its rooms.
pub(crate) fn leave_all(sql: &dyn Sql, socket: &str) -> Result<(), Error> {
    let mut rooms = Vec::new();
    sql.query(
        "SELECT room FROM socket_members WHERE socket = ?1",
        &[Param::Text(socket)],
        &mut |row| {
            rooms.push(row.text(0)?.to_owned());
            Ok(true)
        },
    )?;
    rooms.iter().try_for_each(|room| leave_one(sql, socket, room))
}

/// Disconnects a target's sockets, but for those in the room `except`.
pub(crate) fn disconnect(sql: &dyn Sql, target: &Target, except: &str) -> Result<(), Error> {
    for peer in peers(sql, target)? {
        let mut spared = false;
        sql.query(
            "SELECT 1 FROM socket_members WHERE room = ?1 AND socket = ?2",
            &[Param::Text(except), Param::Text(&peer.id)],
            &mut |_| {
                spared = true;
                Ok(false)
            },
        )?;
        if !spared {
            session::disconnect(sql, &peer.id, &peer.session, &peer.spelling)?;
        }
    }
    Ok(())
}
