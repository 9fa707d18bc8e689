//! The sdk's document types as the WIT's, and back.

use super::bindings::capabilities::pingtalk::documents::store as wit;
use crate::documents::{
    Change, Commit, Condition, Direction, DocumentError, Filter, Id, NewEvent, Operation, Outcome,
    Query, Sequence, SortKey, Test, Value, Write,
};

/// The WIT has an ObjectId as two numbers: its first eight bytes and its last four.
fn object_id(id: Id) -> wit::ObjectId {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = id.bytes();
    wit::ObjectId {
        high: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        low: u32::from_be_bytes([i, j, k, l]),
    }
}

fn value(value: Value) -> wit::Value {
    match value {
        Value::Null => wit::Value::Null,
        Value::Boolean(value) => wit::Value::Boolean(value),
        Value::Int32(value) => wit::Value::Int32(value),
        Value::Int64(value) => wit::Value::Int64(value),
        Value::Double(value) => wit::Value::Double(value),
        Value::Text(value) => wit::Value::Text(value),
        Value::Id(value) => wit::Value::Id(object_id(value)),
        Value::Date(value) => wit::Value::Date(value.millis()),
        Value::Document(value) => wit::Value::Document(value.into_bytes()),
        Value::Array(value) => wit::Value::Array(value.as_bytes().to_vec()),
    }
}

fn test(test: Test) -> wit::Test {
    match test {
        Test::Eq(operand) => wit::Test::Eq(value(operand)),
        Test::Ne(operand) => wit::Test::Ne(value(operand)),
        Test::Lt(operand) => wit::Test::Lt(value(operand)),
        Test::Lte(operand) => wit::Test::Lte(value(operand)),
        Test::Gt(operand) => wit::Test::Gt(value(operand)),
        Test::Gte(operand) => wit::Test::Gte(value(operand)),
        Test::OneOf(operands) => wit::Test::OneOf(operands.into_iter().map(value).collect()),
        Test::Present(present) => wit::Test::Present(present),
        Test::Size(size) => wit::Test::Size(size),
    }
}

pub(super) fn filter(filter: Filter) -> wit::Filter {
    let condition =
        |condition: Condition| wit::Condition { path: condition.path, test: test(condition.test) };
    let alternatives = filter.any_of.into_iter();
    wit::Filter {
        any_of: alternatives.map(|all| all.into_iter().map(condition).collect()).collect(),
    }
}

pub(super) fn query(query: Query) -> wit::Query {
    let key = |key: SortKey| wit::SortKey {
        path: key.path,
        direction: match key.direction {
            Direction::Ascending => wit::Direction::Ascending,
            Direction::Descending => wit::Direction::Descending,
        },
    };
    wit::Query {
        filter: filter(query.filter),
        sort: query.sort.into_iter().map(key).collect(),
        limit: query.limit,
        include: query.include,
        exclude: query.exclude,
    }
}

fn change(change: Change) -> wit::Change {
    match change {
        Change::Set(path, operand) => wit::Change::Set((path, value(operand))),
        Change::Unset(path) => wit::Change::Unset(path),
        Change::Increment(path, by) => wit::Change::Increment((path, by)),
        Change::Max(path, operand) => wit::Change::Max((path, value(operand))),
        Change::Push(path, operand) => wit::Change::Push((path, value(operand))),
        Change::AddToSet(path, operand) => wit::Change::AddToSet((path, value(operand))),
        Change::Pull(path, operand) => wit::Change::Pull((path, value(operand))),
        Change::SetOnInsert(path, operand) => wit::Change::SetOnInsert((path, value(operand))),
    }
}

fn operation(operation: Operation) -> wit::Operation {
    let sequence =
        |sequence: Sequence| wit::Sequence { field: sequence.field, within: sequence.within };
    match operation {
        Operation::Insert { document, sequence: numbered } => {
            wit::Operation::Insert(wit::Insertion { document, sequence: numbered.map(sequence) })
        }
        Operation::Update { filter: which, changes, upsert } => {
            wit::Operation::Update(wit::Modification {
                filter: filter(which),
                changes: changes.into_iter().map(change).collect(),
                upsert,
            })
        }
        Operation::Delete(which) => wit::Operation::Delete(filter(which)),
        Operation::DeleteAll(which) => wit::Operation::DeleteAll(filter(which)),
    }
}

pub(super) fn transaction(commit: Commit) -> wit::Transaction {
    let write = |write: Write| wit::Write {
        database: write.database,
        collection: write.collection,
        operation: operation(write.operation),
    };
    let event = |event: NewEvent| wit::Event { topic: event.topic, payload: event.payload };
    wit::Transaction {
        id: commit.id,
        writes: commit.writes.into_iter().map(write).collect(),
        events: commit.events.into_iter().map(event).collect(),
    }
}

pub(super) fn outcome(outcome: wit::Outcome) -> Outcome {
    match outcome {
        wit::Outcome::Inserted(document) => Outcome::Inserted(document),
        wit::Outcome::Updated(document) => Outcome::Updated(document),
        wit::Outcome::Deleted(count) => Outcome::Deleted(count),
        wit::Outcome::Unmatched => Outcome::Unmatched,
        wit::Outcome::Conflicted => Outcome::Conflicted,
    }
}

pub(super) fn error(error: wit::Error) -> DocumentError {
    match error {
        wit::Error::Denied(what) => DocumentError::Denied(what),
        wit::Error::Invalid(why) => DocumentError::Invalid(why),
        wit::Error::Conflict(index) => DocumentError::Conflict(index),
        wit::Error::Unmatched => DocumentError::Unmatched,
        wit::Error::QuotaExceeded => DocumentError::QuotaExceeded,
        wit::Error::Unavailable(why) => DocumentError::Unavailable(why),
        wit::Error::DeadlineExceeded => DocumentError::DeadlineExceeded,
    }
}
