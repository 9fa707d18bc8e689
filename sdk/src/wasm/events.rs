//! `pingtalk:events/handler`: one delivery to its disposition.

use super::bindings::events::exports::pingtalk::events::handler as wit;
use crate::{
    Platform, Result,
    documents::Date,
    events::{Disposition, Event},
    log,
};

/// Handles a delivery.
pub async fn handle<F: Future<Output = Result<Disposition>>>(
    event: wit::Event,
    handler: impl FnOnce(Platform, Event) -> F,
) -> wit::Disposition {
    let (id, topic) = (event.id.clone(), event.topic.clone());
    let event = Event {
        id: event.id,
        topic: event.topic,
        payload: event.payload,
        attempt: event.attempt,
        published_at: Date::from_millis(event.published_at),
    };
    let refused = |what: &str, reason: String| {
        log::warn(what, &[("event", &id), ("topic", &topic), ("reason", &reason)]);
        reason
    };
    match handler(super::platform(), event).await.into() {
        Disposition::Done => wit::Disposition::Done,
        Disposition::Retry(reason) => wit::Disposition::Retry(refused("event put off", reason)),
        Disposition::Reject(reason) => wit::Disposition::Reject(refused("event refused", reason)),
    }
}
