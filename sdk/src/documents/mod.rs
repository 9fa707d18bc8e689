//! Documents: typed collections, queries and transactions on `pingtalk:documents/store`.
//!
//! ```
//! use pingtalk_sdk::prelude::*;
//!
//! static USERS: Collection<User> = Collection::new("authDB", "auths");
//!
//! #[derive(Deserialize)]
//! struct User {
//!     _id: Id,
//! }
//!
//! async fn id_of(platform: &Platform, email: &str) -> Result<Option<Id>> {
//!     let user = platform.documents().find_one(&USERS, eq("emailId", email)).await?;
//!     Ok(user.map(|user| user._id))
//! }
//! ```
//!
//! Queries are typed values; there is no way to write an operator as text.

mod changes;
mod collection;
mod date;
mod filter;
mod id;
mod query;
mod transaction;
mod value;

pub use {
    changes::{Change, Changes},
    collection::{Collection, Documents},
    date::Date,
    filter::{Condition, Filter, Test, all, any, eq, gt, gte, lt, lte, ne, one_of, present, size},
    id::Id,
    query::{Direction, MAX_FIND, Query, SortKey},
    transaction::{Commit, NewEvent, Operation, Outcome, Outcomes, Sequence, Transaction, Write},
    value::Value,
};

/// One BSON document, encoded.
pub type Document = Vec<u8>;

/// Why a document call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The manifest does not grant this.
    #[error("not granted: {0}")]
    Denied(String),
    /// The request itself is wrong, or a document does not have its type's shape.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The deciding write broke a unique index, which the text names where the store tells it.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The deciding write matched nothing.
    #[error("nothing matched")]
    Unmatched,
    /// Out of storage budget.
    #[error("storage quota exceeded")]
    QuotaExceeded,
    /// The store is away. Trying again is safe.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The deadline passed. A commit may have happened.
    #[error("deadline exceeded")]
    DeadlineExceeded,
}
