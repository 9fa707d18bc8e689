//! `spin:sqlite` as Spin's in-process one does it: a connection of rusqlite's for each `open`, every row
//! of a result at once.

use rusqlite::types::{ToSqlOutput, ValueRef};
use wasmtime::component::Resource;

use crate::{
    bindings::platform::spin::sqlite::sqlite::{
        Error, Host, HostConnection, QueryResult, RowResult, Value,
    },
    instance::State,
};

/// An open connection.
#[allow(unreachable_pub)] // The generated bindings re-export it.
pub struct Connection(rusqlite::Connection);

impl Host for State {}

impl HostConnection for State {
    fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        if database != "default" {
            return Ok(Err(Error::NoSuchDatabase));
        }
        let connection = rusqlite::Connection::open(self.folder.join("spin.sqlite"))?;
        Ok(Ok(self.table.push(Connection(connection))?))
    }

    fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let Connection(connection) = self.table.get(&connection)?;
        Ok(run(connection, &statement, &parameters).map_err(|error| Error::Io(error.to_string())))
    }

    fn last_insert_rowid(&mut self, connection: Resource<Connection>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&connection)?.0.last_insert_rowid())
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
            Self::Null => ValueRef::Null,
        }))
    }
}

fn run(
    connection: &rusqlite::Connection,
    statement: &str,
    parameters: &[Value],
) -> rusqlite::Result<QueryResult> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..width)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(value) => Value::Integer(value),
                    ValueRef::Real(value) => Value::Real(value),
                    ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into()),
                    ValueRef::Blob(value) => Value::Blob(value.to_vec()),
                    ValueRef::Null => Value::Null,
                })
            })
            .collect::<rusqlite::Result<_>>()?;
        found.push(RowResult { values });
    }
    Ok(QueryResult { columns, rows: found })
}
