//! Records to BSON and back.

use pingtalk_capabilities::documents::{
    Condition, Direction, Document, Filter, Query, SortKey, Test, Value,
};
use serde::{Serialize, de::DeserializeOwned};

use super::error::ControlError;

/// A record as a document.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Document, ControlError> {
    bson::serialize_to_vec(record)
        .map(Into::into)
        .map_err(|error| ControlError::Invalid(error.to_string()))
}

/// A document as a record.
pub(super) fn decode<T: DeserializeOwned>(document: &Document) -> Result<T, ControlError> {
    bson::deserialize_from_slice(document).map_err(|error| ControlError::Damaged(error.to_string()))
}

/// Documents as records.
pub(super) fn decode_all<T: DeserializeOwned>(
    documents: &[Document],
) -> Result<Vec<T>, ControlError> {
    documents.iter().map(decode).collect()
}

/// All of these fields are these texts.
pub(super) fn texts(pairs: &[(&str, &str)]) -> Filter {
    let equal = |(path, value): &(&str, &str)| Condition {
        path: (*path).to_owned(),
        test: Test::Eq(Value::Text((*value).to_owned())),
    };
    Filter { any_of: vec![pairs.iter().map(equal).collect()] }
}

/// The newest first, by a number.
pub(super) fn newest(filter: Filter, number: &str, limit: u32) -> Query {
    let sort = vec![SortKey { path: number.to_owned(), direction: Direction::Descending }];
    Query { filter, sort, limit, ..Query::default() }
}
