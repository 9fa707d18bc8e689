//! Between the interface's generated types and these: the same for whoever generated them, a host
//! or a guest.

/// Converts between this crate's types and those generated from `pingtalk:documents/store`, which
/// the caller names as a module: `conversions!(store)`.
#[macro_export]
macro_rules! conversions {
    ($wit:ident) => {
        impl From<$wit::ObjectId> for $crate::ObjectId {
            fn from(id: $wit::ObjectId) -> Self {
                let mut bytes = [0; 12];
                let (high, low) = bytes.split_at_mut(8);
                high.copy_from_slice(&id.high.to_be_bytes());
                low.copy_from_slice(&id.low.to_be_bytes());
                Self(bytes)
            }
        }

        impl From<$wit::Value> for $crate::Value {
            fn from(value: $wit::Value) -> Self {
                match value {
                    $wit::Value::Null => Self::Null,
                    $wit::Value::Boolean(value) => Self::Boolean(value),
                    $wit::Value::Int32(value) => Self::Int32(value),
                    $wit::Value::Int64(value) => Self::Int64(value),
                    $wit::Value::Double(value) => Self::Double(value),
                    $wit::Value::Text(value) => Self::Text(value),
                    $wit::Value::Id(value) => Self::Id(value.into()),
                    $wit::Value::Date(value) => Self::Date(value),
                    $wit::Value::Document(value) => Self::Document($crate::Bytes::from(value)),
                    $wit::Value::Array(value) => Self::Array($crate::Bytes::from(value)),
                }
            }
        }

        impl From<$wit::Test> for $crate::Test {
            fn from(test: $wit::Test) -> Self {
                match test {
                    $wit::Test::Eq(value) => Self::Eq(value.into()),
                    $wit::Test::Ne(value) => Self::Ne(value.into()),
                    $wit::Test::Lt(value) => Self::Lt(value.into()),
                    $wit::Test::Lte(value) => Self::Lte(value.into()),
                    $wit::Test::Gt(value) => Self::Gt(value.into()),
                    $wit::Test::Gte(value) => Self::Gte(value.into()),
                    $wit::Test::OneOf(values) => {
                        Self::OneOf(values.into_iter().map(Into::into).collect())
                    }
                    $wit::Test::Present(present) => Self::Present(present),
                    $wit::Test::Size(size) => Self::Size(size),
                }
            }
        }

        impl From<$wit::Filter> for $crate::Filter {
            fn from(filter: $wit::Filter) -> Self {
                let condition =
                    |c: $wit::Condition| $crate::Condition { path: c.path, test: c.test.into() };
                let any_of = filter
                    .any_of
                    .into_iter()
                    .map(|all| all.into_iter().map(condition).collect())
                    .collect();
                Self { any_of }
            }
        }

        impl From<$wit::Query> for $crate::Query {
            fn from(query: $wit::Query) -> Self {
                let key = |key: $wit::SortKey| $crate::SortKey {
                    path: key.path,
                    direction: match key.direction {
                        $wit::Direction::Ascending => $crate::Direction::Ascending,
                        $wit::Direction::Descending => $crate::Direction::Descending,
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

        impl From<$wit::Change> for $crate::Change {
            fn from(change: $wit::Change) -> Self {
                match change {
                    $wit::Change::Set((path, value)) => Self::Set(path, value.into()),
                    $wit::Change::Unset(path) => Self::Unset(path),
                    $wit::Change::Increment((path, by)) => Self::Increment(path, by),
                    $wit::Change::Max((path, value)) => Self::Max(path, value.into()),
                    $wit::Change::Push((path, value)) => Self::Push(path, value.into()),
                    $wit::Change::AddToSet((path, value)) => Self::AddToSet(path, value.into()),
                    $wit::Change::Pull((path, value)) => Self::Pull(path, value.into()),
                    $wit::Change::SetOnInsert((path, value)) => {
                        Self::SetOnInsert(path, value.into())
                    }
                }
            }
        }

        impl From<$wit::Operation> for $crate::Operation {
            fn from(operation: $wit::Operation) -> Self {
                match operation {
                    $wit::Operation::Insert(insertion) => Self::Insert {
                        document: $crate::Bytes::from(insertion.document),
                        sequence: insertion.sequence.map(|sequence| $crate::Sequence {
                            field: sequence.field,
                            within: sequence.within,
                        }),
                    },
                    $wit::Operation::Update(update) => Self::Update {
                        filter: update.filter.into(),
                        changes: update.changes.into_iter().map(Into::into).collect(),
                        upsert: update.upsert,
                    },
                    $wit::Operation::Delete(filter) => Self::Delete(filter.into()),
                    $wit::Operation::DeleteAll(filter) => Self::DeleteAll(filter.into()),
                }
            }
        }

        impl From<$wit::Transaction> for $crate::Transaction {
            fn from(transaction: $wit::Transaction) -> Self {
                let write = |write: $wit::Write| $crate::Write {
                    database: write.database,
                    collection: write.collection,
                    operation: write.operation.into(),
                };
                let event = |event: $wit::Event| $crate::NewEvent {
                    topic: event.topic,
                    payload: $crate::Bytes::from(event.payload),
                };
                Self {
                    id: transaction.id,
                    writes: transaction.writes.into_iter().map(write).collect(),
                    events: transaction.events.into_iter().map(event).collect(),
                }
            }
        }

        impl From<$crate::Outcome> for $wit::Outcome {
            fn from(outcome: $crate::Outcome) -> Self {
                match outcome {
                    $crate::Outcome::Inserted(document) => {
                        Self::Inserted(::std::vec::Vec::from(document))
                    }
                    $crate::Outcome::Updated(document) => {
                        Self::Updated(::std::vec::Vec::from(document))
                    }
                    $crate::Outcome::Deleted(count) => Self::Deleted(count),
                    $crate::Outcome::Unmatched => Self::Unmatched,
                    $crate::Outcome::Conflicted => Self::Conflicted,
                }
            }
        }

        impl From<$crate::DocumentError> for $wit::Error {
            fn from(error: $crate::DocumentError) -> Self {
                match error {
                    $crate::DocumentError::Denied(what) => Self::Denied(what),
                    $crate::DocumentError::Invalid(why) => Self::Invalid(why),
                    $crate::DocumentError::Conflict(index) => Self::Conflict(index),
                    $crate::DocumentError::Unmatched => Self::Unmatched,
                    $crate::DocumentError::QuotaExceeded => Self::QuotaExceeded,
                    $crate::DocumentError::Unavailable(why) => Self::Unavailable(why),
                    $crate::DocumentError::DeadlineExceeded => Self::DeadlineExceeded,
                }
            }
        }
    };
}
