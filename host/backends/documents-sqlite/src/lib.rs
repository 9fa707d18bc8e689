//! Documents on SQLite: the embedded store, with MongoDB's meaning.
//!
//! Each tenant has one database file, one writer thread that commits in groups and a few readers.
//! A collection is a table of BSON bodies; each of its indexes is a table of byte strings that sort
//! like the values ([`key`]), maintained by the writer, an array field contributing an entry for each
//! element. A query picks one index ([`plan`]), and whatever that yields is checked by the one
//! evaluator ([`filter`]), so a wrong plan could cost time but not correctness.
//!
//! What it can't do it refuses as invalid: Decimal128 and the deprecated BSON types, and indexes in
//! which two fields hold arrays.

mod backend;
mod change;
mod config;
mod draft;
mod error;
mod filter;
mod index;
mod insert;
mod key;
mod outbox;
mod path;
mod plan;
#[cfg(test)]
mod plan_tests;
mod project;
mod raw;
mod read;
mod replay;
mod scan;
mod schema;
mod store;
mod update;
mod volume;
mod write;

pub use backend::SqliteDocuments;
pub use config::Config;
