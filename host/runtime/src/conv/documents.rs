//! `pingtalk:documents/store`.

use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Change, Condition, Direction, DocumentError, Filter, NewEvent, ObjectId, Operation, Outcome,
    Query, Sequence, SortKey, Test, Transaction, Value, Write,
};

use super::list;
use crate::bindings::pingtalk::documents::store as wit;

impl From<wit::ObjectId> for ObjectId {
    fn from(id: wit::ObjectId) -> Self {
        let mut bytes = [0; 12];
        let (high, low) = bytes.split_at_mut(8);
        high.copy_from_slice(&id.high.to_be_bytes());
        low.copy_from_slice(&id.low.to_be_bytes());
        Self(bytes)
    }
}

impl From<wit::Value> for Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Null => Self::Null,
            wit::Value::Boolean(value) => Self::Boolean(value),
            wit::Value::Int32(value) => Self::Int32(value),
            wit::Value::Int64(value) => Self::Int64(value),
            wit::Value::Double(value) => Self::Double(value),
            wit::Value::Text(value) => Self::Text(value),
            wit::Value::Id(value) => Self::Id(value.into()),
            wit::Value::Date(value) => Self::Date(value),
            wit::Value::Document(value) => Self::Document(Bytes::from(value)),
            wit::Value::Array(value) => Self::Array(Bytes::from(value)),
        }
    }
}

impl From<wit::Test> for Test {
    fn from(test: wit::Test) -> Self {
        match test {
            wit::Test::Eq(value) => Self::Eq(value.into()),
            wit::Test::Ne(value) => Self::Ne(value.into()),
            wit::Test::Lt(value) => Self::Lt(value.into()),
            wit::Test::Lte(value) => Self::Lte(value.into()),
            wit::Test::Gt(value) => Self::Gt(value.into()),
            wit::Test::Gte(value) => Self::Gte(value.into()),
            wit::Test::OneOf(values) => Self::OneOf(values.into_iter().map(Into::into).collect()),
            wit::Test::Present(present) => Self::Present(present),
            wit::Test::Size(size) => Self::Size(size),
        }
    }
}

impl From<wit::Filter> for Filter {
    fn from(filter: wit::Filter) -> Self {
        let condition = |c: wit::Condition| Condition { path: c.path, test: c.test.into() };
        let any_of =
            filter.any_of.into_iter().map(|all| all.into_iter().map(condition).collect()).collect();
        Self { any_of }
    }
}

impl From<wit::Query> for Query {
    fn from(query: wit::Query) -> Self {
        let key = |key: wit::SortKey| SortKey {
            path: key.path,
            direction: match key.direction {
                wit::Direction::Ascending => Direction::Ascending,
                wit::Direction::Descending => Direction::Descending,
            },
        };
        Self {
            filter: query.filter.into(),
            sort: query.sort.into_iter().map(key).collect(),
            limit: query.limit,
            include: query.include,
            exclude: query.exclude,
        }
    }
}

impl From<wit::Change> for Change {
    fn from(change: wit::Change) -> Self {
        match change {
            wit::Change::Set((path, value)) => Self::Set(path, value.into()),
            wit::Change::Unset(path) => Self::Unset(path),
            wit::Change::Increment((path, by)) => Self::Increment(path, by),
            wit::Change::Max((path, value)) => Self::Max(path, value.into()),
            wit::Change::Push((path, value)) => Self::Push(path, value.into()),
            wit::Change::AddToSet((path, value)) => Self::AddToSet(path, value.into()),
            wit::Change::Pull((path, value)) => Self::Pull(path, value.into()),
            wit::Change::SetOnInsert((path, value)) => Self::SetOnInsert(path, value.into()),
        }
    }
}

impl From<wit::Operation> for Operation {
    fn from(operation: wit::Operation) -> Self {
        match operation {
            wit::Operation::Insert(insertion) => Self::Insert {
                document: Bytes::from(insertion.document),
                sequence: insertion
                    .sequence
                    .map(|sequence| Sequence { field: sequence.field, within: sequence.within }),
            },
            wit::Operation::Update(update) => Self::Update {
                filter: update.filter.into(),
                changes: update.changes.into_iter().map(Into::into).collect(),
                upsert: update.upsert,
            },
            wit::Operation::Delete(filter) => Self::Delete(filter.into()),
            wit::Operation::DeleteAll(filter) => Self::DeleteAll(filter.into()),
        }
    }
}

impl From<wit::Transaction> for Transaction {
    fn from(transaction: wit::Transaction) -> Self {
        let write = |write: wit::Write| Write {
            database: write.database,
            collection: write.collection,
            operation: write.operation.into(),
        };
        let event = |event: wit::Event| NewEvent {
            topic: event.topic,
            payload: Bytes::from(event.payload),
        };
        Self {
            id: transaction.id,
            writes: transaction.writes.into_iter().map(write).collect(),
            events: transaction.events.into_iter().map(event).collect(),
        }
    }
}

impl From<Outcome> for wit::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Inserted(document) => Self::Inserted(list(document)),
            Outcome::Updated(document) => Self::Updated(list(document)),
            Outcome::Deleted(count) => Self::Deleted(count),
            Outcome::Unmatched => Self::Unmatched,
            Outcome::Conflicted => Self::Conflicted,
        }
    }
}

impl From<DocumentError> for wit::Error {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Denied(what) => Self::Denied(what),
            DocumentError::Invalid(why) => Self::Invalid(why),
            DocumentError::Conflict(index) => Self::Conflict(index),
            DocumentError::Unmatched => Self::Unmatched,
            DocumentError::QuotaExceeded => Self::QuotaExceeded,
            DocumentError::Unavailable(why) => Self::Unavailable(why),
            DocumentError::DeadlineExceeded => Self::DeadlineExceeded,
        }
    }
}
