//! The tables, and the instance's connection to them.

use std::cell::Cell;

use pingtalk_documents::{Error, Sql};
use pingtalk_spin_platform::{Database, Kept};

const TABLES: [&str; 12] = [
    // Engine.IO sessions. Times are milliseconds since the epoch. `partial`: of a packet whose
    // attachments have not all come, what has.
    "CREATE TABLE IF NOT EXISTS socket_sessions (
         id TEXT PRIMARY KEY, cookie TEXT NOT NULL, query TEXT NOT NULL, address TEXT NOT NULL,
         alive_until INTEGER NOT NULL, connect_until INTEGER NOT NULL, ping_at INTEGER NOT NULL,
         poll_until INTEGER NOT NULL, post_until INTEGER NOT NULL,
         packets INTEGER NOT NULL, bytes INTEGER NOT NULL, closing INTEGER NOT NULL,
         partial TEXT NOT NULL)
         STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS socket_sessions_alive ON socket_sessions (alive_until)",
    // What waits for a session's next poll: Engine.IO packets.
    "CREATE TABLE IF NOT EXISTS socket_packets (
         position INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, packet TEXT NOT NULL)
         STRICT",
    "CREATE INDEX IF NOT EXISTS socket_packets_session ON socket_packets (session, position)",
    // Sockets: one for each namespace a session connected to. With a reason, one that is gone, of
    // which its component has yet to be told.
    "CREATE TABLE IF NOT EXISTS sockets (
         id TEXT PRIMARY KEY, session TEXT NOT NULL, namespace TEXT NOT NULL, spelling TEXT NOT NULL,
         user TEXT NOT NULL, attachment BLOB NOT NULL, gone TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS sockets_session ON sockets (session)",
    "CREATE INDEX IF NOT EXISTS sockets_user ON sockets (user)",
    // Who is in which room. `floor`: the number up to which a history covers the room; `held_since`: not 0 while the room's events are kept back.
    "CREATE TABLE IF NOT EXISTS socket_members (
         room TEXT NOT NULL, socket TEXT NOT NULL, held_since INTEGER NOT NULL,
         floor INTEGER NOT NULL, PRIMARY KEY (room, socket))
         STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS socket_members_socket ON socket_members (socket)",
    // The last number of each room that went out, and the numbers before it that did not.
    "CREATE TABLE IF NOT EXISTS socket_rooms (
         room TEXT PRIMARY KEY, last INTEGER NOT NULL, gaps TEXT NOT NULL) STRICT, WITHOUT ROWID",
    // Events that wait: for a room's earlier number (socket is empty), or for a socket's `release`.
    "CREATE TABLE IF NOT EXISTS socket_waiting (
         position INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, socket TEXT NOT NULL,
         sequence INTEGER NOT NULL, event TEXT NOT NULL, except_socket TEXT NOT NULL,
         at INTEGER NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS socket_waiting_room ON socket_waiting (room, socket, sequence)",
];

thread_local! {
    /// From 1, so that whoever has seen none looks.
    static CHANGES: Cell<u64> = const { Cell::new(1) };
    static DATABASE: Kept<Database> = const { Kept::new() };
}

/// Writes alone, all or nothing.
pub(crate) fn write<T>(work: impl FnOnce(&dyn Sql) -> Result<T, Error>) -> Result<T, Error> {
    let written = with(|database| database.transaction(|| work(database)))?;
    // A connection's own commits don't change its `data_version`.
    note_change();
    Ok(written)
}

/// Something was committed, here or elsewhere.
pub(crate) fn note_change() {
    CHANGES.set(CHANGES.get() + 1);
}

/// How many changes this instance knows of.
pub(crate) fn changes() -> u64 {
    CHANGES.get()
}

/// A number that changes with every commit of another connection.
pub(crate) fn version(sql: &dyn Sql) -> Result<i64, Error> {
    let mut version = 0;
    sql.query("PRAGMA data_version", &[], &mut |row| {
        version = row.integer(0)?;
        Ok(false)
    })?;
    Ok(version)
}

/// Reads.
pub(crate) fn read<T>(work: impl FnOnce(&dyn Sql) -> Result<T, Error>) -> Result<T, Error> {
    with(|database| work(database))
}

fn with<T>(work: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
    DATABASE.with(|kept| kept.with(|| Database::open_with(&TABLES), |database| work(database)))
}
