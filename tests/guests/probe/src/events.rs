//! Answers an event as its topic says.

use crate::{
    Probe,
    bindings::exports::pingtalk::events::handler::{Disposition, Event, Guest},
    hostile,
};

impl Guest for Probe {
    async fn handle(event: Event) -> Disposition {
        match event.topic.as_str() {
            "retry" => Disposition::Retry(format!("attempt {}", event.attempt)),
            "reject" => Disposition::Reject(format!("{} bytes", event.payload.len())),
            "trap" => hostile::trap(),
            "loop" => hostile::compute_for_ever(),
            _ => Disposition::Done,
        }
    }
}
