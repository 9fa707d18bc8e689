//! The values of `pingtalk:documents/store`. What each means is told once, in
//! `wit/documents/documents.wit`.

use bytes::Bytes;

/// One BSON document, encoded.
pub type Document = Bytes;

/// Largest document, in bytes (MongoDB's limit).
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// Most documents one `find` returns.
pub const MAX_FIND_DOCUMENTS: u32 = 1_000;
/// Most bytes one `find` returns.
pub const MAX_FIND_BYTES: usize = 32 * 1024 * 1024;
/// Most writes in a commit.
pub const MAX_WRITES: usize = 100;
/// Most events in a commit.
pub const MAX_EVENTS: usize = 16;
/// Largest event payload, in bytes.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
/// Longest commit id, in bytes.
pub const MAX_COMMIT_ID_BYTES: usize = 64;

/// A MongoDB ObjectId.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId(pub [u8; 12]);

/// A scalar or an embedded BSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// BSON null; in a test it equals a missing field.
    Null,
    /// Boolean.
    Boolean(bool),
    /// 32-bit integer.
    Int32(i32),
    /// 64-bit integer.
    Int64(i64),
    /// Double.
    Double(f64),
    /// UTF-8 string.
    Text(String),
    /// ObjectId.
    Id(ObjectId),
    /// Milliseconds since the epoch.
    Date(i64),
    /// Embedded document, encoded.
    Document(Document),
    /// Array, encoded as a document with the keys "0", "1", ….
    Array(Document),
}

/// What a field must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal.
    Eq(Value),
    /// Not equal (MongoDB's `$ne`: no element equal, for arrays).
    Ne(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Lte(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Gte(Value),
    /// Equal to one of these.
    OneOf(Vec<Value>),
    /// Present or absent.
    Present(bool),
    /// An array of this many elements.
    Size(u32),
}

/// A test on a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Names joined by dots.
    pub path: String,
    /// The test.
    pub test: Test,
}

/// Any of all of. Empty matches nothing; one empty alternative matches everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// The alternatives.
    pub any_of: Vec<Vec<Condition>>,
}

/// Sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// A sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// Names joined by dots.
    pub path: String,
    /// Its direction.
    pub direction: Direction,
}

/// Which documents to read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub sort: Vec<SortKey>,
    /// How many at most, up to [`MAX_FIND_DOCUMENTS`].
    pub limit: u32,
    /// Only these fields and `_id`.
    pub include: Vec<String>,
    /// All but these fields.
    pub exclude: Vec<String>,
}

/// One change to a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Set a field.
    Set(String, Value),
    /// Remove a field.
    Unset(String),
    /// Add to a number.
    Increment(String, i64),
    /// Raise to at least this.
    Max(String, Value),
    /// Append to an array.
    Push(String, Value),
    /// Append unless present.
    AddToSet(String, Value),
    /// Remove equal elements.
    Pull(String, Value),
    /// Set when an upsert inserts.
    SetOnInsert(String, Value),
}

/// Gapless numbering within a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The field that receives the number.
    pub field: String,
    /// The fields that make the group.
    pub within: Vec<String>,
}

/// One operation of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Insert a document.
    Insert {
        /// The document; it gets an `_id` if it has none.
        document: Document,
        /// Number it.
        sequence: Option<Sequence>,
    },
    /// Change the first match.
    Update {
        /// Which.
        filter: Filter,
        /// How.
        changes: Vec<Change>,
        /// Insert when nothing matches.
        upsert: bool,
    },
    /// Delete the first match.
    Delete(Filter),
    /// Delete every match.
    DeleteAll(Filter),
}

/// An operation and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Database, as the manifest names it (`chatDB`).
    pub database: String,
    /// Collection.
    pub collection: String,
    /// What to do.
    pub operation: Operation,
}

/// An event to publish with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Routing key.
    pub topic: String,
    /// Body.
    pub payload: Bytes,
}

/// Writes and events that happen together; the first write decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Idempotency key.
    pub id: String,
    /// The writes.
    pub writes: Vec<Write>,
    /// The events.
    pub events: Vec<NewEvent>,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The stored document.
    Inserted(Document),
    /// The document after the change.
    Updated(Document),
    /// How many were deleted.
    Deleted(u64),
    /// A later write matched nothing.
    Unmatched,
    /// A later write broke a unique index.
    Conflicted,
}

/// Why a document call failed. Retryable: `Unavailable`, `DeadlineExceeded`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not granted.
    #[error("not granted: {0}")]
    Denied(String),
    /// The request is wrong.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The deciding write broke a unique index.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The deciding write matched nothing.
    #[error("nothing matched")]
    Unmatched,
    /// Out of storage budget.
    #[error("storage quota exceeded")]
    QuotaExceeded,
    /// The store is away or overloaded.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The deadline passed.
    #[error("deadline exceeded")]
    DeadlineExceeded,
}

/// An index the manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The fields, in order. At most one of them may hold arrays.
    pub fields: Vec<String>,
    /// No two documents may agree on all fields.
    pub unique: bool,
    /// Documents that lack any of the fields are left out (so may coexist in a unique index).
    pub sparse: bool,
}

/// A collection the manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Database.
    pub database: String,
    /// Collection.
    pub name: String,
    /// Its indexes besides `_id`.
    pub indexes: Vec<Index>,
}
