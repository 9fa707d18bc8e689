//! Documents on MongoDB: the production store, on a standalone server and a replica set alike.
//!
//! PingTalk's databases, collections and field types lie where the original's do. Queries are
//! translated one to one ([`query`], [`change`]), documents pass through unparsed ([`database`]).
//! A commit needs no more than single documents that change atomically: it is claimed in a record
//! beside the documents, decided by its first write, and finished by whoever is alive
//! ([`commit`], [`record`], [`recover`]; `docs/decisions/0009-commits-on-single-documents.md`).
//!
//! Two field names are the store's own, `_commits` and `_deleting`; no reader sees them.

mod backend;
mod change;
mod clean;
mod clients;
mod commit;
mod config;
mod database;
mod error;
mod examine;
mod fault;
mod follow;
mod index;
mod outbox;
mod path;
mod plan;
mod query;
mod record;
mod recover;
mod sequence;
mod step;
mod store;
mod value;
mod write;

pub use backend::MongoDocuments;
pub use config::{Config, Pace};
pub use examine::examine;
#[doc(hidden)]
pub use fault::Fault;
