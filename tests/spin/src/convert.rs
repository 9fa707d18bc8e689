//! A host's document types as the interface's, and back: what a component's own code does.

use pingtalk_documents as own;

use crate::bindings::documents::exports::pingtalk::documents::store as wit;

fn value(value: own::Value) -> wit::Value {
    match value {
        own::Value::Null => wit::Value::Null,
        own::Value::Boolean(value) => wit::Value::Boolean(value),
        own::Value::Int32(value) => wit::Value::Int32(value),
        own::Value::Int64(value) => wit::Value::Int64(value),
        own::Value::Double(value) => wit::Value::Double(value),
        own::Value::Text(value) => wit::Value::Text(value),
        own::Value::Id(own::ObjectId([a, b, c, d, e, f, g, h, i, j, k, l])) => {
            wit::Value::Id(wit::ObjectId {
                high: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
                low: u32::from_be_bytes([i, j, k, l]),
            })
        }
        own::Value::Date(value) => wit::Value::Date(value),
        own::Value::Document(bytes) => wit::Value::Document(bytes.into()),
        own::Value::Array(bytes) => wit::Value::Array(bytes.into()),
    }
}

fn condition(condition: own::Condition) -> wit::Condition {
    let test = match condition.test {
        own::Test::Eq(operand) => wit::Test::Eq(value(operand)),
        own::Test::Ne(operand) => wit::Test::Ne(value(operand)),
        own::Test::Lt(operand) => wit::Test::Lt(value(operand)),
        own::Test::Lte(operand) => wit::Test::Lte(value(operand)),
        own::Test::Gt(operand) => wit::Test::Gt(value(operand)),
        own::Test::Gte(operand) => wit::Test::Gte(value(operand)),
        own::Test::OneOf(all) => wit::Test::OneOf(all.into_iter().map(value).collect()),
        own::Test::Present(present) => wit::Test::Present(present),
        own::Test::Size(size) => wit::Test::Size(size),
    };
    wit::Condition { path: condition.path, test }
}

pub(crate) fn filter(filter: own::Filter) -> wit::Filter {
    let alternatives = filter.any_of.into_iter();
    wit::Filter {
        any_of: alternatives.map(|all| all.into_iter().map(condition).collect()).collect(),
    }
}

pub(crate) fn query(query: own::Query) -> wit::Query {
    let key = |key: own::SortKey| wit::SortKey {
        path: key.path,
        direction: match key.direction {
            own::Direction::Ascending => wit::Direction::Ascending,
            own::Direction::Descending => wit::Direction::Descending,
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

fn change(change: own::Change) -> wit::Change {
    match change {
        own::Change::Set(path, operand) => wit::Change::Set((path, value(operand))),
        own::Change::Unset(path) => wit::Change::Unset(path),
        own::Change::Increment(path, by) => wit::Change::Increment((path, by)),
        own::Change::Max(path, operand) => wit::Change::Max((path, value(operand))),
        own::Change::Push(path, operand) => wit::Change::Push((path, value(operand))),
        own::Change::AddToSet(path, operand) => wit::Change::AddToSet((path, value(operand))),
        own::Change::Pull(path, operand) => wit::Change::Pull((path, value(operand))),
        own::Change::SetOnInsert(path, operand) => wit::Change::SetOnInsert((path, value(operand))),
    }
}

fn operation(operation: own::Operation) -> wit::Operation {
    match operation {
        own::Operation::Insert { document, sequence } => wit::Operation::Insert(wit::Insertion {
            document: document.into(),
            sequence: sequence
                .map(|sequence| wit::Sequence { field: sequence.field, within: sequence.within }),
        }),
        own::Operation::Update { filter: which, changes, upsert } => {
            wit::Operation::Update(wit::Modification {
                filter: filter(which),
                changes: changes.into_iter().map(change).collect(),
                upsert,
            })
        }
        own::Operation::Delete(which) => wit::Operation::Delete(filter(which)),
        own::Operation::DeleteAll(which) => wit::Operation::DeleteAll(filter(which)),
    }
}

pub(crate) fn transaction(transaction: own::Transaction) -> wit::Transaction {
    let write = |write: own::Write| wit::Write {
        database: write.database,
        collection: write.collection,
        operation: operation(write.operation),
    };
    let event =
        |event: own::NewEvent| wit::Event { topic: event.topic, payload: event.payload.into() };
    wit::Transaction {
        id: transaction.id,
        writes: transaction.writes.into_iter().map(write).collect(),
        events: transaction.events.into_iter().map(event).collect(),
    }
}

pub(crate) fn outcome(outcome: wit::Outcome) -> own::Outcome {
    match outcome {
        wit::Outcome::Inserted(document) => own::Outcome::Inserted(document.into()),
        wit::Outcome::Updated(document) => own::Outcome::Updated(document.into()),
        wit::Outcome::Deleted(count) => own::Outcome::Deleted(count),
        wit::Outcome::Unmatched => own::Outcome::Unmatched,
        wit::Outcome::Conflicted => own::Outcome::Conflicted,
    }
}

pub(crate) fn error(error: wit::Error) -> own::DocumentError {
    match error {
        wit::Error::Denied(what) => own::DocumentError::Denied(what),
        wit::Error::Invalid(why) => own::DocumentError::Invalid(why),
        wit::Error::Conflict(index) => own::DocumentError::Conflict(index),
        wit::Error::Unmatched => own::DocumentError::Unmatched,
        wit::Error::QuotaExceeded => own::DocumentError::QuotaExceeded,
        wit::Error::Unavailable(why) => own::DocumentError::Unavailable(why),
        wit::Error::DeadlineExceeded => own::DocumentError::DeadlineExceeded,
    }
}
