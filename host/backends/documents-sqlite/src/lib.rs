//! Documents on SQLite: the embedded store, with MongoDB's meaning.
//!
//! Each tenant has one database file, one writer thread that commits in groups and a few readers.
//! What is in the file and what a query means is the engine's business (`pingtalk-documents`).

mod backend;
mod config;
mod error;
mod store;

pub use backend::SqliteDocuments;
pub use config::Config;
