//! A control store on SQLite.

use pingtalk_capabilities::TenantId;
use pingtalk_documents_sqlite::{Config, SqliteDocuments};
use pingtalk_tenancy::control::{self, ControlKey, ControlStore};
use tempfile::TempDir;

/// A store, and the directory it lies in.
pub(crate) async fn store() -> (ControlStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let backend = SqliteDocuments::new(Config::new(directory.path()));
    let opened = backend.open(&TenantId::control(), &control::collections()).await.unwrap();
    (ControlStore::new(opened.documents), directory)
}

/// A key for secrets.
pub(crate) fn key() -> ControlKey {
    ControlKey::from_hex(&"5a".repeat(32)).unwrap()
}
