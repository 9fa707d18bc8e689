//! The collections and indexes of a database: what is declared, what is on disk, and how the
//! second is made to follow the first.
//!
//! Runs as a job of the writer, in one transaction: a declaration that can't be met (a unique index
//! over duplicates) changes nothing.

use std::{collections::HashMap, sync::Arc};

use pingtalk_capabilities::documents::{Collection, DocumentError};
use rusqlite::{Connection, params};

use crate::{
    error::Error,
    index::{Entries, Index},
    path::Path,
    raw::invalid,
};

/// What this code writes; a database of a later format is refused.
const FORMAT: i64 = 1;
/// Most fields in an index, as in MongoDB.
const MAX_FIELDS: usize = 32;
/// Most indexes of a collection, as in MongoDB.
const MAX_INDEXES: usize = 64;
/// Longest name of a database or a collection, in bytes.
const MAX_NAME_BYTES: usize = 120;

/// A declared collection and its table, `d<number>(row, body)`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) number: i64,
    /// The unique index on `_id` comes first.
    pub(crate) indexes: Vec<Arc<Index>>,
    pub(crate) sql: Sql,
}

/// A table's statements.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) all: String,
    pub(crate) body: String,
    pub(crate) insert: String,
    pub(crate) update: String,
    pub(crate) delete: String,
}

/// The declared collections.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    databases: HashMap<String, HashMap<String, Arc<Table>>>,
}

impl Schema {
    /// A collection's table.
    pub(crate) fn table(&self, database: &str, name: &str) -> Result<&Arc<Table>, DocumentError> {
        self.databases
            .get(database)
            .and_then(|collections| collections.get(name))
            .ok_or_else(|| invalid(format!("the collection {database}.{name} is not declared")))
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.databases.values().flat_map(HashMap::values)
    }
}

impl Table {
    fn new(number: i64) -> Self {
        let sql = Sql {
            all: format!("SELECT row, body FROM d{number} ORDER BY row"),
            body: format!("SELECT body FROM d{number} WHERE row = ?1"),
            insert: format!("INSERT INTO d{number} (body) VALUES (?1)"),
            update: format!("UPDATE d{number} SET body = ?1 WHERE row = ?2"),
            delete: format!("DELETE FROM d{number} WHERE row = ?1"),
        };
        Self { number, indexes: Vec::new(), sql }
    }

    /// What a document contributes to each index, in their order.
    pub(crate) fn entries(&self, document: &[u8]) -> Result<Vec<Entries>, DocumentError> {
        self.indexes.iter().map(|index| index.entries(document)).collect()
    }
}

/// Makes the tables that describe the others, once.
pub(crate) fn prepare(connection: &Connection) -> Result<(), Error> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        return Err(invalid("the database was written by a newer version").into());
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS collections (
             number INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL,
             UNIQUE (database, name)) STRICT;
         CREATE TABLE IF NOT EXISTS indexes (
             number INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL,
             fields TEXT NOT NULL, is_unique INTEGER NOT NULL, sparse INTEGER NOT NULL,
             arrays INTEGER NOT NULL, UNIQUE (collection, fields, is_unique, sparse)) STRICT;
         CREATE TABLE IF NOT EXISTS outbox (
             position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
             payload BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS commits (
             number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
             outcomes BLOB NOT NULL) STRICT;
         PRAGMA user_version = {FORMAT};
         COMMIT;"
    ))?;
    Ok(())
}

/// Brings the database in line with a declaration. `previous` is what was declared before by this
/// process, whose indexes live on.
pub(crate) fn declare(
    connection: &Connection,
    collections: &[Collection],
    previous: &Schema,
) -> Result<Schema, Error> {
    let known: HashMap<i64, Arc<Index>> = previous
        .tables()
        .flat_map(|table| &table.indexes)
        .map(|index| (index.number, Arc::clone(index)))
        .collect();
    let mut schema = Schema::default();
    for collection in collections {
        let table = declare_collection(connection, collection, &known)?;
        let tables = schema.databases.entry(collection.database.clone()).or_default();
        if tables.insert(collection.name.clone(), Arc::new(table)).is_some() {
            return Err(invalid(format!(
                "the collection {}.{} is declared twice",
                collection.database, collection.name
            ))
            .into());
        }
    }
    // What is declared no longer stays usable for the release that is still draining; the
    // handles know what they were opened with.
    for (database, tables) in &previous.databases {
        let kept = schema.databases.entry(database.clone()).or_default();
        for (name, table) in tables {
            kept.entry(name.clone()).or_insert_with(|| Arc::clone(table));
        }
    }
    Ok(schema)
}

fn declare_collection(
    connection: &Connection,
    collection: &Collection,
    known: &HashMap<i64, Arc<Index>>,
) -> Result<Table, Error> {
    let wanted = wanted_indexes(collection)?;
    let mut table = Table::new(collection_number(connection, collection)?);
    let mut found = stored_indexes(connection, table.number, known)?;
    found.retain(|index| {
        wanted.iter().any(|(fields, unique, sparse)| {
            *fields == index.name && *unique == index.unique && *sparse == index.sparse
        })
    });
    drop_others(connection, table.number, &found)?;
    for (fields, unique, sparse) in wanted {
        let at = found.iter().position(|index| {
            fields == index.name && unique == index.unique && sparse == index.sparse
        });
        table.indexes.push(match at {
            Some(at) => found.swap_remove(at),
            None => build(connection, &table, &fields, unique, sparse)?,
        });
    }
    Ok(table)
}

/// The fields, uniqueness and sparseness of each index to be, `_id` first.
fn wanted_indexes(collection: &Collection) -> Result<Vec<(String, bool, bool)>, DocumentError> {
    let named = |name: &str| !name.is_empty() && name.len() <= MAX_NAME_BYTES;
    if !named(&collection.database) || !named(&collection.name) {
        return Err(invalid("a database or collection has a name of 1 to 120 bytes"));
    }
    if collection.indexes.len() >= MAX_INDEXES {
        return Err(invalid("a collection has fewer than 64 indexes"));
    }
    let mut wanted = vec![("_id".to_owned(), true, false)];
    for index in &collection.indexes {
        if index.fields.is_empty() || index.fields.len() > MAX_FIELDS {
            return Err(invalid("an index has 1 to 32 fields"));
        }
        for (at, field) in index.fields.iter().enumerate() {
            Path::parse(field)?;
            if field.contains('+') || index.fields.iter().take(at).any(|other| other == field) {
                return Err(invalid(format!("`{field}` can't be indexed, or twice")));
            }
        }
        let spec = (index.fields.join("+"), index.unique, index.sparse);
        if spec.0 != "_id" && !wanted.contains(&spec) {
            wanted.push(spec);
        }
    }
    Ok(wanted)
}

fn collection_number(connection: &Connection, collection: &Collection) -> Result<i64, Error> {
    let name = params![collection.database, collection.name];
    let made = connection
        .execute("INSERT OR IGNORE INTO collections (database, name) VALUES (?1, ?2)", name)?;
    let number: i64 = connection.query_row(
        "SELECT number FROM collections WHERE database = ?1 AND name = ?2",
        name,
        |row| row.get(0),
    )?;
    if made == 1 {
        connection.execute_batch(&format!(
            "CREATE TABLE d{number} (row INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"
        ))?;
    }
    Ok(number)
}

fn stored_indexes(
    connection: &Connection,
    table: i64,
    known: &HashMap<i64, Arc<Index>>,
) -> Result<Vec<Arc<Index>>, Error> {
    let mut statement = connection.prepare(
        "SELECT number, fields, is_unique, sparse, arrays FROM indexes WHERE collection = ?1",
    )?;
    let mut rows = statement.query([table])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let fields: String = row.get(1)?;
        found.push(match known.get(&number) {
            Some(index) => Arc::clone(index),
            None => {
                Arc::new(Index::new(number, table, &fields, row.get(2)?, row.get(3)?, row.get(4)?)?)
            }
        });
    }
    Ok(found)
}

fn drop_others(connection: &Connection, table: i64, kept: &[Arc<Index>]) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT number FROM indexes WHERE collection = ?1")?;
    let stored: Vec<i64> =
        statement.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for number in stored {
        if kept.iter().all(|index| index.number != number) {
            connection.execute("DELETE FROM indexes WHERE number = ?1", [number])?;
            connection.execute_batch(&format!("DROP TABLE i{number}"))?;
        }
    }
    Ok(())
}

/// Makes an index over what the collection holds already.
fn build(
    connection: &Connection,
    table: &Table,
    fields: &str,
    unique: bool,
    sparse: bool,
) -> Result<Arc<Index>, Error> {
    connection.execute(
        "INSERT INTO indexes (collection, fields, is_unique, sparse, arrays) \
         VALUES (?1, ?2, ?3, ?4, 0)",
        params![table.number, fields, unique, sparse],
    )?;
    let number = connection.last_insert_rowid();
    let index = Index::new(number, table.number, fields, unique, sparse, 0)?;
    index.create(connection)?;
    let mut statement = connection.prepare(&table.sql.all)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entries = index.entries(row.get_ref(1)?.as_blob()?)?;
        if index.taken(connection, &entries, None)? {
            return Err(DocumentError::Conflict(index.name).into());
        }
        index.replace(connection, row.get(0)?, &Entries::default(), &entries)?;
    }
    Ok(Arc::new(index))
}
