//! The events contract, met with SQLite.
#![allow(clippy::unwrap_used)]

use pingtalk_events_sqlite::{Config, SqliteEvents};

pingtalk_contract::events!(async {
    let folder = tempfile::tempdir().unwrap();
    (SqliteEvents::new(Config::new(folder.path())), folder)
});
