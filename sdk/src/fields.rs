//! The fields of a JSON object a client sent. Readers check the type and name the field in the
//! 400, so that an object never reaches a query where text belongs.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result, documents::Id};

/// A JSON object from outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Map<String, Value>);

fn wrong(name: &str, what: &str) -> Error {
    Error::bad_request(format!("{name} must be {what}"))
}

impl Fields {
    /// Parses a JSON object.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn parse(json: &[u8]) -> Result<Self> {
        match serde_json::from_slice(json) {
            Ok(value) => Self::of(value),
            Err(_) => Err(Error::bad_request("Request body is not valid JSON")),
        }
    }

    /// From a parsed value.
    ///
    /// # Errors
    /// 400 when it is no object.
    pub fn of(value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Error::bad_request("Request body must be a JSON object")),
        }
    }

    /// True when there is no field at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields' names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// True when the field is there, null included.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field as it is; null counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Text.
    ///
    /// # Errors
    /// 400 when it is of another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    /// Text that must be there and not empty.
    ///
    /// # Errors
    /// 400 with `otherwise` when it is absent or empty, 400 when it is of another type.
    pub fn required_text(
        &self,
        name: &str,
        otherwise: impl Into<Cow<'static, str>>,
    ) -> Result<&str> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(Error::bad_request(otherwise)),
        }
    }

    /// An id of 24 hex digits. Empty text counts as absent.
    ///
    /// # Errors
    /// 400 when it is anything else.
    pub fn id(&self, name: &str) -> Result<Option<Id>> {
        match self.text(name)? {
            None | Some("") => Ok(None),
            Some(text) => Id::parse(text).map(Some).ok_or_else(|| wrong(name, "a valid id")),
        }
    }

    /// An id that must be there.
    ///
    /// # Errors
    /// 400 with `otherwise` when it is absent, 400 when it is no id.
    pub fn required_id(&self, name: &str, otherwise: impl Into<Cow<'static, str>>) -> Result<Id> {
        self.id(name)?.ok_or_else(|| Error::bad_request(otherwise))
    }

    /// A list of ids.
    ///
    /// # Errors
    /// 400 when it is no list, or one of its elements is no id.
    pub fn ids(&self, name: &str) -> Result<Option<Vec<Id>>> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let ids = list.iter().map(|value| value.as_str().and_then(Id::parse));
        let ids: Option<Vec<Id>> = ids.collect();
        ids.map(Some).ok_or_else(|| wrong(name, "a list of valid ids"))
    }

    /// A list.
    ///
    /// # Errors
    /// 400 when it is of another type.
    pub fn list(&self, name: &str) -> Result<Option<&[Value]>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 when it is anything else.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(name, "a whole number")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// 400 when it is of another type.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// All fields as a struct.
    ///
    /// # Errors
    /// 400 with serde's words, which name the field.
    pub fn decode<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| Error::bad_request(format!("Invalid request body: {error}")))
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Fields;

    fn fields(json: &str) -> Fields {
        Fields::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn refuses_other_types_naming_the_field() {
        let body = fields(r#"{"emailId": {"$ne": ""}, "n": 1.5, "list": ["x"], "ids": [1]}"#);
        assert_eq!(body.text("emailId").unwrap_err().text(), "emailId must be a string");
        assert_eq!(body.integer("n").unwrap_err().text(), "n must be a whole number");
        assert_eq!(body.id("emailId").unwrap_err().text(), "emailId must be a string");
        assert_eq!(body.ids("ids").unwrap_err().text(), "ids must be a list of valid ids");
        assert_eq!(body.boolean("list").unwrap_err().text(), "list must be true or false");
    }

    #[test]
    fn null_and_absent_are_one() {
        let body = fields(r#"{"a": null, "b": ""}"#);
        assert_eq!(body.text("a").unwrap(), None);
        assert_eq!(body.text("z").unwrap(), None);
        assert_eq!(body.required_text("b", "b is required").unwrap_err().text(), "b is required");
        assert_eq!(body.id("b").unwrap(), None);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for json in ["[]", "1", "\"x\"", "null", "{", ""] {
            assert_eq!(Fields::parse(json.as_bytes()).unwrap_err().status(), 400, "{json}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Fields::parse(deep.as_bytes()).unwrap_err().status(), 400);
    }
}
