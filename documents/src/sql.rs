//! What the engine asks of an SQLite.
//!
//! Two are in use: the host's own, through the rusqlite crate, and Spin's, which a component reaches
//! through an interface that answers with whole pages of rows. So rows are shown one by one, and
//! whoever needs no more says so.

use crate::Error;

/// A value for a statement's `?1`, `?2`, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param<'a> {
    /// INTEGER.
    Integer(i64),
    /// TEXT.
    Text(&'a str),
    /// BLOB.
    Blob(&'a [u8]),
}

/// A row of a result. Columns count from 0.
pub trait Row {
    /// The INTEGER in a column.
    ///
    /// # Errors
    /// The column is missing or holds something else.
    fn integer(&self, column: usize) -> Result<i64, Error>;

    /// The TEXT in a column.
    ///
    /// # Errors
    /// The column is missing or holds something else.
    fn text(&self, column: usize) -> Result<&str, Error>;

    /// The BLOB in a column.
    ///
    /// # Errors
    /// The column is missing or holds something else.
    fn blob(&self, column: usize) -> Result<&[u8], Error>;
}

/// Sees rows until it returns false.
pub type See<'s> = dyn FnMut(&dyn Row) -> Result<bool, Error> + 's;

/// A connection to one database.
///
/// Statements are few and come again and again; a connection keeps them prepared if it can. None
/// of those that return rows ends in a LIMIT of its own unless it asks for one row, so a connection
/// that can't stop half-way may add one.
pub trait Sql {
    /// Runs a statement that returns no rows.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Deadline`] where a bound on time ended it, or [`Error::Storage`].
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), Error>;

    /// Shows a statement's rows, in order.
    ///
    /// # Errors
    /// As for [`Self::execute`], or what `see` returned.
    fn query(&self, statement: &str, params: &[Param<'_>], see: &mut See<'_>) -> Result<(), Error>;

    /// The row number of this connection's latest INSERT.
    fn last_insert_rowid(&self) -> i64;

    /// True within a transaction, which is one snapshot already.
    fn in_transaction(&self) -> bool;
}

/// What `read` makes of the first row; none where there is no row.
pub(crate) fn first<T>(
    sql: &dyn Sql,
    statement: &str,
    params: &[Param<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut found = None;
    sql.query(statement, params, &mut |row| {
        found = Some(read(row)?);
        Ok(false)
    })?;
    Ok(found)
}

/// What `read` makes of every row.
pub(crate) fn all<T>(
    sql: &dyn Sql,
    statement: &str,
    params: &[Param<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    sql.query(statement, params, &mut |row| {
        found.push(read(row)?);
        Ok(true)
    })?;
    Ok(found)
}

#[cfg(any(feature = "rusqlite", test))]
mod native {
    use rusqlite::{
        Connection, ErrorCode, ToSql,
        types::{FromSqlError, ToSqlOutput, ValueRef},
    };

    use super::{Param, Row, See, Sql};
    use crate::Error;

    impl ToSql for Param<'_> {
        fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
            Ok(ToSqlOutput::Borrowed(match self {
                Self::Integer(value) => ValueRef::Integer(*value),
                Self::Text(value) => ValueRef::Text(value.as_bytes()),
                Self::Blob(value) => ValueRef::Blob(value),
            }))
        }
    }

    impl Row for rusqlite::Row<'_> {
        fn integer(&self, column: usize) -> Result<i64, Error> {
            Ok(self.get_ref(column)?.as_i64()?)
        }

        fn text(&self, column: usize) -> Result<&str, Error> {
            Ok(self.get_ref(column)?.as_str()?)
        }

        fn blob(&self, column: usize) -> Result<&[u8], Error> {
            Ok(self.get_ref(column)?.as_blob()?)
        }
    }

    impl Sql for Connection {
        fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), Error> {
            self.prepare_cached(statement)?.execute(rusqlite::params_from_iter(params))?;
            Ok(())
        }

        fn query(
            &self,
            statement: &str,
            params: &[Param<'_>],
            see: &mut See<'_>,
        ) -> Result<(), Error> {
            let mut statement = self.prepare_cached(statement)?;
            let mut rows = statement.query(rusqlite::params_from_iter(params))?;
            while let Some(row) = rows.next()? {
                if !see(row)? {
                    break;
                }
            }
            Ok(())
        }

        fn last_insert_rowid(&self) -> i64 {
            Self::last_insert_rowid(self)
        }

        fn in_transaction(&self) -> bool {
            !self.is_autocommit()
        }
    }

    impl From<rusqlite::Error> for Error {
        fn from(error: rusqlite::Error) -> Self {
            match (error.sqlite_error_code(), &error) {
                (Some(ErrorCode::OperationInterrupted), _) => Self::Deadline,
                (Some(ErrorCode::DiskFull), _) => Self::Full,
                // The code's own text: the full message may hold a path.
                (Some(_), rusqlite::Error::SqliteFailure(inner, _)) => {
                    Self::Storage(inner.to_string())
                }
                _ => Self::Storage(error.to_string()),
            }
        }
    }

    impl From<FromSqlError> for Error {
        fn from(error: FromSqlError) -> Self {
            Self::Storage(error.to_string())
        }
    }
}
