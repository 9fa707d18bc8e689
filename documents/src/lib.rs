//! MongoDB-shaped documents: their values, and an engine that keeps them in SQLite.
//!
//! A collection is a table of BSON bodies; each of its indexes is a table of byte strings that sort
//! like the values ([`key`]), maintained with every write, an array field contributing an entry for
//! each element. A query picks one index ([`plan`]), and whatever that yields is checked by the one
//! evaluator ([`filter`]), so a wrong plan could cost time but not correctness.
//!
//! The engine runs on whatever [`Sql`] it is given and knows nothing of threads or files: our host
//! gives it connections of its own, the adapter for Spin those of Spin's SQLite.
//!
//! What it can't do it refuses as invalid: Decimal128 and the deprecated BSON types, and indexes in
//! which two fields hold arrays.

mod change;
mod draft;
mod error;
mod filter;
mod index;
mod insert;
mod key;
mod model;
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
mod sql;
mod update;
mod volume;
mod wit;
mod write;

/// What documents are kept in, for [`conversions`].
pub use bytes::Bytes;
pub use error::Error;
pub use model::*;
pub use outbox::{Waiting, forget, oldest};
pub use read::{Count, Find};
pub use schema::{Schema, declare, prepare};
pub use sql::{Param, Row, See, Sql};
pub use volume::{Stored, stored};
pub use write::{Committed, check, commit};
