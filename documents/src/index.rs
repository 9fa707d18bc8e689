//! One index: a table of keys, and what a document contributes to it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{
    DocumentError, Error, Param, Sql,
    path::{Path, keys},
    raw::invalid,
    sql::first,
};

/// A declared index and its table, `i<number>(key, row)`.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) number: i64,
    pub(crate) paths: Vec<Path>,
    /// Its fields joined by `+`: what a conflict names.
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) sparse: bool,
    /// A bit for each field that ever held an array. Only ever grows, and is set before the first
    /// such entry is committed, so that a reader can tell that its plan was too bold.
    arrays: AtomicU32,
    /// The bits that are committed too.
    recorded: AtomicU32,
    sql: Statements,
}

#[derive(Debug)]
struct Statements {
    ascending: String,
    descending: String,
    greatest: String,
    owner: String,
    insert: String,
    delete: String,
}

/// What a document contributes.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Ascending, distinct.
    pub(crate) keys: Vec<Vec<u8>>,
    arrays: u32,
}

impl Index {
    pub(crate) fn new(
        number: i64,
        table: i64,
        fields: &str,
        unique: bool,
        sparse: bool,
        arrays: u32,
    ) -> Result<Self, DocumentError> {
        let paths = fields.split('+').map(Path::parse).collect::<Result<Vec<_>, _>>()?;
        // CROSS JOIN: SQLite must walk the index first, in its order.
        let walk = |order: &str| {
            format!(
                "SELECT i.row, d.body FROM i{number} AS i CROSS JOIN d{table} AS d \
                 ON d.row = i.row WHERE i.key >= ?1 AND i.key < ?2 ORDER BY i.key {order}"
            )
        };
        let sql = Statements {
            ascending: walk("ASC"),
            descending: walk("DESC"),
            greatest: format!(
                "SELECT key FROM i{number} WHERE key >= ?1 AND key < ?2 ORDER BY key DESC"
            ),
            owner: format!("SELECT row FROM i{number} WHERE key = ?1"),
            insert: format!("INSERT INTO i{number} (key, row) VALUES (?1, ?2)"),
            delete: format!("DELETE FROM i{number} WHERE key = ?1 AND row = ?2"),
        };
        Ok(Self {
            number,
            paths,
            name: fields.to_owned(),
            unique,
            sparse,
            arrays: AtomicU32::new(arrays),
            recorded: AtomicU32::new(arrays),
            sql,
        })
    }

    /// The table of keys.
    pub(crate) fn create(&self, sql: &dyn Sql) -> Result<(), Error> {
        let primary = if self.unique { "key" } else { "key, row" };
        let statement = format!(
            "CREATE TABLE i{} (key BLOB NOT NULL, row INTEGER NOT NULL, PRIMARY KEY ({primary})) \
             STRICT, WITHOUT ROWID",
            self.number
        );
        sql.execute(&statement, &[])
    }

    /// The entries in a range of keys with their documents.
    pub(crate) fn walk(&self, descending: bool) -> &str {
        if descending { &self.sql.descending } else { &self.sql.ascending }
    }

    pub(crate) fn arrays(&self) -> u32 {
        self.arrays.load(Ordering::SeqCst)
    }

    /// What a document contributes.
    pub(crate) fn entries(&self, document: &[u8]) -> Result<Entries, DocumentError> {
        let mut entries = Entries { keys: vec![Vec::new()], arrays: 0 };
        let mut absent = false;
        for (at, path) in self.paths.iter().enumerate() {
            let found = keys(document, path);
            absent |= !found.present;
            if found.array {
                if entries.arrays != 0 {
                    return Err(invalid(format!(
                        "only one field of the index {} may hold an array",
                        self.name
                    )));
                }
                entries.arrays = 1 << at;
            }
            entries.keys = match found.keys.as_slice() {
                [only] => {
                    entries.keys.iter_mut().for_each(|key| key.extend_from_slice(only));
                    entries.keys
                }
                several => entries
                    .keys
                    .iter()
                    .flat_map(|start| {
                        several.iter().map(move |key| [start.as_slice(), key].concat())
                    })
                    .collect(),
            };
        }
        if self.sparse && absent {
            return Ok(Entries::default());
        }
        Ok(entries)
    }

    /// True when another document has one of these keys.
    pub(crate) fn taken(
        &self,
        sql: &dyn Sql,
        entries: &Entries,
        own: Option<i64>,
    ) -> Result<bool, Error> {
        if !self.unique {
            return Ok(false);
        }
        for key in &entries.keys {
            let row = self.owner(sql, key)?;
            if row.is_some() && row != own {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the entries of `new` that `old` lacks, and removes those that only `old` has. True when
    /// an array was noted: [`Self::committed`] must follow the commit.
    pub(crate) fn replace(
        &self,
        sql: &dyn Sql,
        row: i64,
        old: &Entries,
        new: &Entries,
    ) -> Result<bool, Error> {
        let gone = old.keys.iter().filter(|key| new.keys.binary_search(key).is_err());
        for key in gone {
            sql.execute(&self.sql.delete, &[Param::Blob(key), Param::Integer(row)])?;
        }
        for key in new.keys.iter().filter(|key| old.keys.binary_search(key).is_err()) {
            sql.execute(&self.sql.insert, &[Param::Blob(key), Param::Integer(row)])?;
        }
        let news = new.arrays & !self.recorded.load(Ordering::SeqCst) != 0;
        if news {
            let arrays = self.arrays.fetch_or(new.arrays, Ordering::SeqCst) | new.arrays;
            sql.execute(
                "UPDATE indexes SET arrays = ?1 WHERE number = ?2",
                &[Param::Integer(arrays.into()), Param::Integer(self.number)],
            )?;
        }
        Ok(news)
    }

    /// Another process may have met arrays too: what the database says of them, read in the
    /// transaction that is about to plan.
    pub(crate) fn learn(&self, arrays: u32) {
        self.arrays.fetch_or(arrays, Ordering::SeqCst);
        self.recorded.fetch_or(arrays, Ordering::SeqCst);
    }

    /// What [`Self::replace`] noted about arrays is committed now.
    pub(crate) fn committed(&self) {
        self.recorded.store(self.arrays(), Ordering::SeqCst);
    }

    /// The greatest key in a range.
    pub(crate) fn greatest(
        &self,
        sql: &dyn Sql,
        low: &[u8],
        high: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let range = [Param::Blob(low), Param::Blob(high)];
        first(sql, &self.sql.greatest, &range, |row| Ok(row.blob(0)?.to_vec()))
    }

    /// The document that has this key in a unique index.
    pub(crate) fn owner(&self, sql: &dyn Sql, key: &[u8]) -> Result<Option<i64>, Error> {
        first(sql, &self.sql.owner, &[Param::Blob(key)], |row| row.integer(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bson::{Document, doc};

    use super::*;

    fn entries(fields: &str, sparse: bool, document: Document) -> Result<usize, DocumentError> {
        let index = Index::new(1, 1, fields, false, sparse, 0)?;
        index.entries(&document.to_vec().unwrap()).map(|entries| entries.keys.len())
    }

    #[test]
    fn an_array_contributes_its_elements() {
        let document = doc! {"a": 1, "l": [3, 1, 1], "m": [1]};
        assert_eq!(entries("a", false, document.clone()), Ok(1));
        assert_eq!(entries("l+a", false, document.clone()), Ok(2));
        assert!(entries("l+m", false, document).is_err());
    }

    #[test]
    fn a_sparse_index_leaves_out_documents_that_lack_a_field() {
        assert_eq!(entries("a+b", true, doc! {"a": 1}), Ok(0));
        assert_eq!(entries("a+b", true, doc! {"a": 1, "b": null}), Ok(1));
        assert_eq!(entries("a+b", false, doc! {"a": 1}), Ok(1));
    }
}
