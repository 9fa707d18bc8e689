//! `pingtalk:events/types`.

use pingtalk_capabilities::events::{Disposition, Event};

use super::list;
use crate::bindings::pingtalk::events::types as wit;

impl From<Event> for wit::Event {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            topic: event.topic,
            payload: list(event.payload),
            attempt: event.attempt,
            published_at: event.published_at,
        }
    }
}

impl From<wit::Disposition> for Disposition {
    fn from(disposition: wit::Disposition) -> Self {
        match disposition {
            wit::Disposition::Done => Self::Done,
            wit::Disposition::Retry(reason) => Self::Retry(reason),
            wit::Disposition::Reject(reason) => Self::Reject(reason),
        }
    }
}
