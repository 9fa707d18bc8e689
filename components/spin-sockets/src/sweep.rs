//! What time brings: sessions that are silent, holds that are not released, components that have yet
//! to hear of a socket's end. Done by whoever polls.

use std::cell::Cell;

use pingtalk_documents::{Error, Param, Sql};
use pingtalk_spin_platform::now_millis;

use crate::{
    order, service,
    session::{self, Gone, Socket},
    settings::{HOLD, Settings},
    tables,
};

/// How often an instance looks, in milliseconds.
const EVERY: i64 = 1_000;
/// Sockets told of at once.
const BATCH: usize = 16;

/// Looks, if it is time to.
pub(crate) async fn now_and_then(settings: &Settings) {
    thread_local! {
        static NEXT: Cell<i64> = const { Cell::new(0) };
    }
    let now = now_millis();
    if now < NEXT.get() {
        return;
    }
    NEXT.set(now + EVERY);
    // A store that is away takes nothing else either; the next look is soon.
    drop(tables::write(|sql| end_the_silent(sql, now)));
    tell_of_the_gone(settings).await;
}

/// Tells the component of sockets that are gone. One it can't be told of stays until it can.
pub(crate) async fn tell_of_the_gone(settings: &Settings) {
    let Ok(gone) = tables::read(gone) else { return };
    for (socket, reason) in gone {
        let id = socket.id.clone();
        if service::disconnect(settings, socket, reason).await.is_ok() {
            drop(tables::write(|sql| {
                sql.execute("DELETE FROM sockets WHERE id = ?1", &[Param::Text(&id)])
            }));
        }
    }
}

fn gone(sql: &dyn Sql) -> Result<Vec<(Socket, String)>, Error> {
    let mut found = Vec::new();
    sql.query(
        "SELECT id, namespace, user, attachment, gone FROM sockets WHERE gone <> ''",
        &[],
        &mut |row| {
            let socket = Socket {
                id: row.text(0)?.to_owned(),
                namespace: row.text(1)?.to_owned(),
                user: row.text(2)?.to_owned(),
                attachment: row.blob(3)?.to_vec(),
            };
            found.push((socket, row.text(4)?.to_owned()));
            Ok(found.len() < BATCH)
        },
    )?;
    Ok(found)
}

fn end_the_silent(sql: &dyn Sql, now: i64) -> Result<(), Error> {
    let over = ids(
        sql,
        "SELECT id FROM socket_sessions WHERE alive_until <= ?1 \
         OR (connect_until > 0 AND connect_until <= ?1)",
        now,
    )?;
    over.iter().try_for_each(|id| session::end(sql, id, Gone::Transport))?;
    // Its client comes back and catches up.
    let held = ids(
        sql,
        "SELECT DISTINCT s.session FROM socket_members AS m JOIN sockets AS s ON s.id = m.socket \
         WHERE m.held_since > 0 AND m.held_since <= ?1",
        now - HOLD,
    )?;
    held.iter().try_for_each(|id| session::end(sql, id, Gone::Overflow))?;
    order::pass_over_the_late(sql, now)
}

fn ids(sql: &dyn Sql, statement: &str, time: i64) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    sql.query(statement, &[Param::Integer(time)], &mut |row| {
        found.push(row.text(0)?.to_owned());
        Ok(true)
    })?;
    Ok(found)
}
