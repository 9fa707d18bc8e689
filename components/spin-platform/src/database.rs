//! Spin's SQLite as the document engine's.

use pingtalk_documents::{Error, Param, Row, See, Sql};

use crate::bindings::sqlite::spin::sqlite::sqlite as spin;

/// The label that every adapter uses; a Spin without settings of its own has just this one.
const LABEL: &str = "default";
/// Rows asked for first, and how many times as many with each further page: most queries want one
/// row or a screenful, and Spin answers with all it was asked for.
const FIRST_PAGE: usize = 16;
const GROWTH: usize = 4;
/// Most rows asked for at once.
const LARGEST_PAGE: usize = 1_024;

/// A connection to the application's database.
pub struct Database {
    connection: spin::Connection,
    in_transaction: std::cell::Cell<bool>,
}

impl Database {
    /// Opens a connection of its own.
    ///
    /// # Errors
    /// What Spin says, such as that the component was granted no database.
    pub fn open() -> Result<Self, Error> {
        let connection = spin::Connection::open(LABEL).map_err(error)?;
        let database = Self { connection, in_transaction: false.into() };
        // Readers and a writer get along; stays with the file. Spin's default waits for none.
        database.query("PRAGMA journal_mode = WAL", &[], &mut |_| Ok(false))?;
        Ok(database)
    }

    /// Opens a connection, and makes these tables where they are missing.
    ///
    /// # Errors
    /// As for [`Self::open`], or the store's.
    pub fn open_with(tables: &[&str]) -> Result<Self, Error> {
        let database = Self::open()?;
        database
            .rarely_writing(|| tables.iter().try_for_each(|table| database.execute(table, &[])))?;
        Ok(database)
    }

    /// Runs `work` in a transaction that reads from one snapshot, and undoes whatever it wrote.
    ///
    /// # Errors
    /// The work's or the store's.
    pub fn snapshot<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.begin("BEGIN")?;
        let result = work();
        self.end("ROLLBACK")?;
        result
    }

    /// Runs `work` in a transaction that no other writer can disturb, and commits if it succeeds.
    ///
    /// # Errors
    /// The work's or the store's; nothing was written then.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.begin("BEGIN IMMEDIATE")?;
        match work() {
            Ok(value) => match self.end("COMMIT") {
                Ok(()) => Ok(value),
                Err(error) => {
                    // SQLite may have rolled back by itself; then this has nothing to do.
                    drop(self.end("ROLLBACK"));
                    Err(error)
                }
            },
            Err(error) => {
                self.end("ROLLBACK")?;
                Err(error)
            }
        }
    }

    /// Runs `work` in a transaction that becomes a writer's with its first write. Where another writer
    /// is in the way, `work` runs once more, alone.
    ///
    /// # Errors
    /// The work's or the store's; nothing was written then.
    pub fn rarely_writing<T>(&self, work: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        self.begin("BEGIN")?;
        let result = work().and_then(|value| self.end("COMMIT").map(|()| value));
        let Err(error) = result else { return result };
        drop(self.end("ROLLBACK"));
        match error {
            Error::Storage(_) => self.transaction(work),
            other => Err(other),
        }
    }

    fn begin(&self, statement: &str) -> Result<(), Error> {
        self.execute(statement, &[])?;
        self.in_transaction.set(true);
        Ok(())
    }

    fn end(&self, statement: &str) -> Result<(), Error> {
        self.in_transaction.set(false);
        self.execute(statement, &[])
    }
}

impl Sql for Database {
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), Error> {
        self.connection.execute(statement, &values(params)).map(drop).map_err(error)
    }

    fn query(&self, statement: &str, params: &[Param<'_>], see: &mut See<'_>) -> Result<(), Error> {
        let values = values(params);
        let mut show = |rows: Vec<spin::RowResult>| -> Result<bool, Error> {
            for row in rows {
                if !see(&Values(row.values))? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if statement.starts_with("PRAGMA") {
            return show(self.connection.execute(statement, &values).map_err(error)?.rows)
                .map(drop);
        }
        let (mut offset, mut page) = (0, FIRST_PAGE);
        loop {
            let statement = format!("{statement} LIMIT {page} OFFSET {offset}");
            let rows = self.connection.execute(&statement, &values).map_err(error)?.rows;
            let found = rows.len();
            if !show(rows)? || found < page {
                return Ok(());
            }
            offset += found;
            page = (page * GROWTH).min(LARGEST_PAGE);
        }
    }

    fn last_insert_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction.get()
    }
}

fn values(params: &[Param<'_>]) -> Vec<spin::Value> {
    params
        .iter()
        .map(|param| match param {
            Param::Integer(value) => spin::Value::Integer(*value),
            Param::Text(value) => spin::Value::Text((*value).to_owned()),
            Param::Blob(value) => spin::Value::Blob(value.to_vec()),
        })
        .collect()
}

fn error(error: spin::Error) -> Error {
    match error {
        spin::Error::DatabaseFull => Error::Full,
        spin::Error::NoSuchDatabase | spin::Error::AccessDenied => Error::Storage(format!(
            "no access to the database \"{LABEL}\": write sqlite_databases = [\"{LABEL}\"] in the \
             component's section of the manifest"
        )),
        spin::Error::InvalidConnection => Error::Storage("the connection is closed".to_owned()),
        spin::Error::Io(text) => Error::Storage(text),
    }
}

struct Values(Vec<spin::Value>);

impl Values {
    fn other(column: usize) -> Error {
        Error::Storage(format!("column {column} is missing or of another type"))
    }
}

impl Row for Values {
    fn integer(&self, column: usize) -> Result<i64, Error> {
        match self.0.get(column) {
            Some(spin::Value::Integer(value)) => Ok(*value),
            _ => Err(Self::other(column)),
        }
    }

    fn text(&self, column: usize) -> Result<&str, Error> {
        match self.0.get(column) {
            Some(spin::Value::Text(value)) => Ok(value),
            _ => Err(Self::other(column)),
        }
    }

    fn blob(&self, column: usize) -> Result<&[u8], Error> {
        match self.0.get(column) {
            Some(spin::Value::Blob(value)) => Ok(value),
            _ => Err(Self::other(column)),
        }
    }
}
