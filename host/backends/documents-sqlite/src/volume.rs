//! How much a database holds.

use pingtalk_capabilities::storage::Stored;
use rusqlite::Connection;

use crate::{error::Error, schema::Schema};

/// Counts the documents, and the bytes of the pages in use.
pub(crate) fn stored(connection: &Connection, schema: &Schema) -> Result<Stored, Error> {
    let mut documents = 0;
    for table in schema.tables() {
        // The index on `_id` comes first: one entry a document, and much smaller than those.
        let Some(ids) = table.indexes.first() else { continue };
        let sql = format!("SELECT count(*) FROM i{}", ids.number);
        let count: i64 = connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        documents += u64::try_from(count).unwrap_or_default();
    }
    let pragma = |name: &str| -> Result<u64, Error> {
        let number: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(Stored { documents, bytes: pages * pragma("page_size")? })
}
