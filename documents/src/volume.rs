//! How much a database holds.

use crate::{Error, Schema, Sql, sql::first};

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Documents, over all collections.
    pub documents: u64,
    /// Bytes of the pages in use, indexes included.
    pub bytes: u64,
}

/// Counts the documents, and the bytes of the pages in use.
///
/// # Errors
/// The store's.
pub fn stored(sql: &dyn Sql, schema: &Schema) -> Result<Stored, Error> {
    let number = |statement: &str| -> Result<u64, Error> {
        let number = first(sql, statement, &[], |row| row.integer(0))?;
        Ok(u64::try_from(number.unwrap_or_default()).unwrap_or_default())
    };
    let mut documents = 0;
    for table in schema.tables() {
        // The index on `_id` comes first: one entry a document, and much smaller than those.
        let Some(ids) = table.indexes.first() else { continue };
        documents += number(&format!("SELECT count(*) FROM i{}", ids.number))?;
    }
    let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(Stored { documents, bytes: pages * number("PRAGMA page_size")? })
}
