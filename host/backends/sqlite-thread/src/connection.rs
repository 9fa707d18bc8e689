//! Opening SQLite so that an acknowledged commit survives a power cut.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{Failure, folder};

/// How long to wait for a foreign process (a backup, a shell) that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection: more than the shapes one store produces.
const STATEMENTS: usize = 256;
/// The write-ahead log is cut back to this many bytes after a checkpoint.
const LOG_BYTES: i64 = 64 * 1024 * 1024;

/// What differs between databases.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The database's greatest size in bytes; a write beyond it fails with [`Failure::Full`].
    pub max_bytes: u64,
    /// Page cache of a connection, in KiB.
    pub cache_kib: u32,
}

/// Opens (and creates) a database for its writer thread, with its folder.
///
/// # Errors
/// When the file can't be made, or is no SQLite database.
pub fn open_writer(path: &Path, settings: Settings) -> Result<Connection, Failure> {
    if let Some(folder) = path.parent() {
        folder::create(folder)?;
    }
    let connection = open(path, OpenFlags::SQLITE_OPEN_CREATE, settings)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode, FULL syncs the log at every commit; NORMAL would lose commits on power loss.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = (settings.max_bytes / u64::from(page.max(1))).clamp(1, u64::from(u32::MAX - 1));
    connection.pragma_update(None, "max_page_count", pages.to_string())?;
    Ok(connection)
}

/// Opens an existing database for a reader thread.
///
/// # Errors
/// When the file is not there or unreadable.
pub fn open_reader(path: &Path, settings: Settings) -> Result<Connection, Failure> {
    let connection = open(path, OpenFlags::empty(), settings)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags, settings: Settings) -> Result<Connection, Failure> {
    // Each connection stays on one thread, so SQLite needs no lock of its own.
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -i64::from(settings.cache_kib))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}
