//! Blobs in tables: what is known of each, and its content in pieces.

use pingtalk_documents::{Error, Param, Sql};
use pingtalk_spin_platform::{Database, Kept};

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS blobs (
         container TEXT NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL,
         size INTEGER NOT NULL, PRIMARY KEY (container, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS blob_pieces (
         container TEXT NOT NULL, name TEXT NOT NULL, piece INTEGER NOT NULL, content BLOB NOT NULL,
         UNIQUE (container, name, piece)) STRICT",
];

fn with<T>(work: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
    thread_local! {
        static DATABASE: Kept<Database> = const { Kept::new() };
    }
    DATABASE.with(|kept| kept.with(|| Database::open_with(&TABLES), |database| work(database)))
}

/// Stores a blob in the place of what was there.
pub(crate) fn store(
    container: &str,
    name: &str,
    content_type: &str,
    content: &[u8],
) -> Result<(), Error> {
    let (container, name) = (Param::Text(container), Param::Text(name));
    with(|sql| {
        sql.transaction(|| {
            remove(sql, container, name)?;
            let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
            sql.execute(
                "INSERT INTO blobs (container, name, content_type, size) VALUES (?1, ?2, ?3, ?4)",
                &[container, name, Param::Text(content_type), Param::Integer(size)],
            )?;
            for (piece, content) in (0..).zip(content.chunks(PIECE)) {
                sql.execute(
                    "INSERT INTO blob_pieces (container, name, piece, content) \
                     VALUES (?1, ?2, ?3, ?4)",
                    &[container, name, Param::Integer(piece), Param::Blob(content)],
                )?;
            }
            Ok(())
        })
    })
}

/// A blob's size and content type.
pub(crate) fn find(container: &str, name: &str) -> Result<Option<(u64, String)>, Error> {
    let mut found = None;
    with(|sql| {
        sql.query(
            "SELECT size, content_type FROM blobs WHERE container = ?1 AND name = ?2",
            &[Param::Text(container), Param::Text(name)],
            &mut |row| {
                let size = u64::try_from(row.integer(0)?).unwrap_or_default();
                found = Some((size, row.text(1)?.to_owned()));
                Ok(false)
            },
        )
    })?;
    Ok(found)
}

/// A piece of a blob; none after the last.
pub(crate) fn read(container: &str, name: &str, piece: i64) -> Result<Option<Vec<u8>>, Error> {
    let mut content = None;
    with(|sql| {
        sql.query(
            "SELECT content FROM blob_pieces WHERE container = ?1 AND name = ?2 AND piece = ?3",
            &[Param::Text(container), Param::Text(name), Param::Integer(piece)],
            &mut |row| {
                content = Some(row.blob(0)?.to_vec());
                Ok(false)
            },
        )
    })?;
    Ok(content)
}

/// Removes a blob, if it is there.
pub(crate) fn delete(container: &str, name: &str) -> Result<(), Error> {
    with(|sql| sql.transaction(|| remove(sql, Param::Text(container), Param::Text(name))))
}

fn remove(sql: &dyn Sql, container: Param<'_>, name: Param<'_>) -> Result<(), Error> {
    let both = [container, name];
    sql.execute("DELETE FROM blob_pieces WHERE container = ?1 AND name = ?2", &both)?;
    sql.execute("DELETE FROM blobs WHERE container = ?1 AND name = ?2", &both)
}
