//! The collections and indexes of a database: what is declared, what is on disk, and how the
//! second is made to follow the first.
//!
//! Declaring happens within a transaction: a declaration that can't be met (a unique index over
//! duplicates) changes nothing.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Collection, DocumentError, Error, Param, Sql,
    index::{Entries, Index},
    path::Path,
    raw::invalid,
    sql::{all, first},
};

/// What this code writes; a database of a later format is refused.
const FORMAT: i64 = 1;
/// The tables that describe the others, and those of events and commits.
const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS collections (
         number INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL,
         UNIQUE (database, name)) STRICT",
    "CREATE TABLE IF NOT EXISTS indexes (
         number INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL,
         fields TEXT NOT NULL, is_unique INTEGER NOT NULL, sparse INTEGER NOT NULL,
         arrays INTEGER NOT NULL, UNIQUE (collection, fields, is_unique, sparse)) STRICT",
    "CREATE TABLE IF NOT EXISTS outbox (
         position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
         payload BLOB NOT NULL, at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS commits (
         number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
         outcomes BLOB NOT NULL) STRICT",
];
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
    pub(crate) sql: Statements,
}

/// A table's statements.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) all: String,
    pub(crate) body: String,
    pub(crate) insert: String,
    pub(crate) update: String,
    pub(crate) delete: String,
}

/// The declared collections.
#[derive(Debug, Default)]
pub struct Schema {
    databases: HashMap<String, HashMap<String, Arc<Table>>>,
    /// The numbers of all indexes of the database when it was declared.
    stored: Vec<i64>,
}

impl Schema {
    /// A collection's table.
    pub(crate) fn table(&self, database: &str, name: &str) -> Result<&Arc<Table>, DocumentError> {
        self.databases
            .get(database)
            .and_then(|collections| collections.get(name))
            .ok_or_else(|| invalid(format!("the collection {database}.{name} is not declared")))
    }

    /// Catches up with what other processes did to the same database: to be called in each transaction
    /// where there are any. They may have met the first array of an index, or declared other indexes,
    /// which every writer must keep.
    ///
    /// # Errors
    /// The store's.
    pub fn refresh(&mut self, sql: &dyn Sql) -> Result<(), Error> {
        let stored = all(sql, "SELECT number, arrays FROM indexes ORDER BY number", &[], |row| {
            Ok((row.integer(0)?, bits(row.integer(1)?)?))
        })?;
        let numbers = || stored.iter().map(|(number, _)| *number);
        if !numbers().eq(self.stored.iter().copied()) {
            self.reload(sql)?;
            self.stored = numbers().collect();
        }
        let arrays: HashMap<i64, u32> =
            stored.into_iter().filter(|(_, arrays)| *arrays != 0).collect();
        if !arrays.is_empty() {
            for index in self.tables().flat_map(|table| &table.indexes) {
                arrays.get(&index.number).into_iter().for_each(|arrays| index.learn(*arrays));
            }
        }
        Ok(())
    }

    /// Reads the indexes of each collection anew.
    fn reload(&mut self, sql: &dyn Sql) -> Result<(), Error> {
        let known = known(self);
        for table in self.databases.values_mut().flat_map(HashMap::values_mut) {
            let mut new = Table::new(table.number);
            new.indexes = stored_indexes(sql, table.number, &known)?;
            *table = Arc::new(new);
        }
        Ok(())
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.databases.values().flat_map(HashMap::values)
    }
}

impl Table {
    fn new(number: i64) -> Self {
        let sql = Statements {
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

/// Makes the tables that describe the others, once, in a transaction of the caller's.
///
/// # Errors
/// A database of a later format, or the store's.
pub fn prepare(sql: &dyn Sql) -> Result<(), Error> {
    let format = first(sql, "PRAGMA user_version", &[], |row| row.integer(0))?;
    if format.is_some_and(|format| format > FORMAT) {
        return Err(invalid("the database was written by a newer version").into());
    }
    if format == Some(FORMAT) {
        return Ok(());
    }
    for table in TABLES {
        sql.execute(table, &[])?;
    }
    sql.execute(&format!("PRAGMA user_version = {FORMAT}"), &[])
}

/// Brings the database in line with a declaration. `previous` is what was declared before by this
/// process, whose indexes live on.
///
/// # Errors
/// [`DocumentError::Invalid`] for a declaration that is wrong, [`DocumentError::Conflict`] for a
/// unique index over duplicates, or the store's.
pub fn declare(
    sql: &dyn Sql,
    collections: &[Collection],
    previous: &Schema,
) -> Result<Schema, Error> {
    let known = known(previous);
    let mut schema = Schema::default();
    for collection in collections {
        let table = declare_collection(sql, collection, &known)?;
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
    schema.stored =
        all(sql, "SELECT number FROM indexes ORDER BY number", &[], |row| row.integer(0))?;
    Ok(schema)
}

fn known(schema: &Schema) -> HashMap<i64, Arc<Index>> {
    let indexes = schema.tables().flat_map(|table| &table.indexes);
    indexes.map(|index| (index.number, Arc::clone(index))).collect()
}

fn declare_collection(
    sql: &dyn Sql,
    collection: &Collection,
    known: &HashMap<i64, Arc<Index>>,
) -> Result<Table, Error> {
    let wanted = wanted_indexes(collection)?;
    let mut table = Table::new(collection_number(sql, collection)?);
    let mut found = stored_indexes(sql, table.number, known)?;
    found.retain(|index| {
        wanted.iter().any(|(fields, unique, sparse)| {
            *fields == index.name && *unique == index.unique && *sparse == index.sparse
        })
    });
    drop_others(sql, table.number, &found)?;
    for (fields, unique, sparse) in wanted {
        let at = found.iter().position(|index| {
            fields == index.name && unique == index.unique && sparse == index.sparse
        });
        table.indexes.push(match at {
            Some(at) => found.swap_remove(at),
            None => build(sql, &table, &fields, unique, sparse)?,
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

fn collection_number(sql: &dyn Sql, collection: &Collection) -> Result<i64, Error> {
    let name = [Param::Text(&collection.database), Param::Text(&collection.name)];
    let number = || {
        let find = "SELECT number FROM collections WHERE database = ?1 AND name = ?2";
        first(sql, find, &name, |row| row.integer(0))
    };
    if let Some(number) = number()? {
        return Ok(number);
    }
    sql.execute("INSERT INTO collections (database, name) VALUES (?1, ?2)", &name)?;
    let number = sql.last_insert_rowid();
    let table =
        format!("CREATE TABLE d{number} (row INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT");
    sql.execute(&table, &[])?;
    Ok(number)
}

fn stored_indexes(
    sql: &dyn Sql,
    table: i64,
    known: &HashMap<i64, Arc<Index>>,
) -> Result<Vec<Arc<Index>>, Error> {
    let stored = "SELECT number, fields, is_unique, sparse, arrays FROM indexes WHERE collection = ?1 \
         ORDER BY number";
    all(sql, stored, &[Param::Integer(table)], |row| {
        let number = row.integer(0)?;
        if let Some(index) = known.get(&number) {
            return Ok(Arc::clone(index));
        }
        let (unique, sparse) = (row.integer(2)? != 0, row.integer(3)? != 0);
        let arrays = bits(row.integer(4)?)?;
        Ok(Arc::new(Index::new(number, table, row.text(1)?, unique, sparse, arrays)?))
    })
}

/// Flags of an index's fields, as they are stored.
fn bits(stored: i64) -> Result<u32, Error> {
    u32::try_from(stored).map_err(|_| Error::Storage("damaged flags of an index".to_owned()))
}

fn drop_others(sql: &dyn Sql, table: i64, kept: &[Arc<Index>]) -> Result<(), Error> {
    let stored = all(
        sql,
        "SELECT number FROM indexes WHERE collection = ?1",
        &[Param::Integer(table)],
        |row| row.integer(0),
    )?;
    for number in stored {
        if kept.iter().all(|index| index.number != number) {
            sql.execute("DELETE FROM indexes WHERE number = ?1", &[Param::Integer(number)])?;
            sql.execute(&format!("DROP TABLE i{number}"), &[])?;
        }
    }
    Ok(())
}

/// Makes an index over what the collection holds already.
fn build(
    sql: &dyn Sql,
    table: &Table,
    fields: &str,
    unique: bool,
    sparse: bool,
) -> Result<Arc<Index>, Error> {
    sql.execute(
        "INSERT INTO indexes (collection, fields, is_unique, sparse, arrays) \
         VALUES (?1, ?2, ?3, ?4, 0)",
        &[
            Param::Integer(table.number),
            Param::Text(fields),
            Param::Integer(unique.into()),
            Param::Integer(sparse.into()),
        ],
    )?;
    let index = Index::new(sql.last_insert_rowid(), table.number, fields, unique, sparse, 0)?;
    index.create(sql)?;
    sql.query(&table.sql.all, &[], &mut |row| {
        let entries = index.entries(row.blob(1)?)?;
        if index.taken(sql, &entries, None)? {
            return Err(DocumentError::Conflict(index.name.clone()).into());
        }
        index.replace(sql, row.integer(0)?, &Entries::default(), &entries)?;
        Ok(true)
    })?;
    Ok(Arc::new(index))
}
