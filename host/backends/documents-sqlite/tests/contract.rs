//! The documents contract, met with SQLite.
#![allow(clippy::unwrap_used)]

use pingtalk_documents_sqlite::{Config, SqliteDocuments};

pingtalk_contract::documents!(async {
    let folder = tempfile::tempdir().unwrap();
    (SqliteDocuments::new(Config::new(folder.path())), folder)
});
