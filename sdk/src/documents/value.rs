//! Values to compare with or to write.

use bson::{RawArrayBuf, RawBson, RawDocumentBuf};
use serde::Serialize;

use super::{Date, DocumentError, Id};

/// A scalar, or an embedded document or array.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null; in a test it equals a missing field.
    Null,
    /// Boolean.
    Boolean(bool),
    /// 32-bit integer.
    Int32(i32),
    /// 64-bit integer.
    Int64(i64),
    /// Double.
    Double(f64),
    /// Text.
    Text(String),
    /// ObjectId.
    Id(Id),
    /// Date.
    Date(Date),
    /// An embedded document.
    Document(RawDocumentBuf),
    /// An array.
    Array(RawArrayBuf),
}

/// Gives serde's data model a document to stand in.
#[derive(Serialize)]
struct Wrapped<'a, T> {
    value: &'a T,
}

impl Value {
    /// Any serializable value: a struct becomes an embedded document, a list an array.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it has no BSON form.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, DocumentError> {
        let invalid = |error: &dyn std::fmt::Display| DocumentError::Invalid(error.to_string());
        let document = bson::serialize_to_raw_document_buf(&Wrapped { value })
            .map_err(|error| invalid(&error))?;
        let field = document.get("value").map_err(|error| invalid(&error))?;
        // A field that serialises to nothing is null.
        let Some(field) = field else { return Ok(Self::Null) };
        let raw: RawBson = field.into();
        Self::from_raw(raw).ok_or_else(|| invalid(&"a BSON type that documents here don't use"))
    }

    /// An array of these.
    pub fn array<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut array = RawArrayBuf::new();
        for value in values {
            array.push(value.into().into_raw());
        }
        Self::Array(array)
    }

    pub(crate) fn from_raw(raw: RawBson) -> Option<Self> {
        Some(match raw {
            RawBson::Null => Self::Null,
            RawBson::Boolean(value) => Self::Boolean(value),
            RawBson::Int32(value) => Self::Int32(value),
            RawBson::Int64(value) => Self::Int64(value),
            RawBson::Double(value) => Self::Double(value),
            RawBson::String(value) => Self::Text(value),
            RawBson::ObjectId(value) => Self::Id(Id::from_bytes(value.bytes())),
            RawBson::DateTime(value) => Self::Date(Date::from_millis(value.timestamp_millis())),
            RawBson::Document(value) => Self::Document(value),
            RawBson::Array(value) => Self::Array(value),
            _ => return None,
        })
    }

    pub(crate) fn into_raw(self) -> RawBson {
        match self {
            Self::Null => RawBson::Null,
            Self::Boolean(value) => RawBson::Boolean(value),
            Self::Int32(value) => RawBson::Int32(value),
            Self::Int64(value) => RawBson::Int64(value),
            Self::Double(value) => RawBson::Double(value),
            Self::Text(value) => RawBson::String(value),
            Self::Id(value) => RawBson::ObjectId(value.object_id()),
            Self::Date(value) => RawBson::DateTime(bson::DateTime::from_millis(value.millis())),
            Self::Document(value) => RawBson::Document(value),
            Self::Array(value) => RawBson::Array(value),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int32(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int64(i64::from(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int64(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Id> for Value {
    fn from(value: Id) -> Self {
        Self::Id(value)
    }
}

impl From<&Id> for Value {
    fn from(value: &Id) -> Self {
        Self::Id(*value)
    }
}

impl From<Date> for Value {
    fn from(value: Date) -> Self {
        Self::Date(value)
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Self {
        Self::array(values)
    }
}
