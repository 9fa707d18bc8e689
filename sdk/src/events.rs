//! Events a service consumes. They come at least once: handlers are idempotent, by the event's
//! id or by what they write.

use serde::de::DeserializeOwned;

use crate::{Error, Result, documents::Date};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Stays the same over redeliveries.
    pub id: String,
    /// The routing key.
    pub topic: String,
    /// The body, usually JSON.
    pub payload: Vec<u8>,
    /// 1 on the first delivery.
    pub attempt: u32,
    /// When it was published.
    pub published_at: Date,
}

impl Event {
    /// The payload as a type.
    ///
    /// # Errors
    /// 400 when it has another shape; as a handler's error that makes it a dead letter.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| Error::bad_request(format!("payload of {}: {error}", self.topic)))
    }
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Handled, now or before.
    Done,
    /// Deliver it again later. The text is for the operator.
    Retry(String),
    /// It can never be handled. The text is for the operator.
    Reject(String),
}

/// A handler's result as a disposition: a refusal (4xx) can't get better, all else may.
impl From<Result<Disposition>> for Disposition {
    fn from(result: Result<Disposition>) -> Self {
        match result {
            Ok(disposition) => disposition,
            Err(error) if error.is_refusal() && !error.is_temporary() => {
                Self::Reject(error.to_string())
            }
            Err(error) => Self::Retry(error.to_string()),
        }
    }
}
