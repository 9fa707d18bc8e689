//! One delivery in a consumer's hand, and where it goes from there.
//!
//! A retry and a dead letter are published to their queue, confirmed, and only then acknowledged
//! where they were. Whoever dies in between leaves two of them, never none.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::options::BasicAckOptions;
use pingtalk_capabilities::events::{Delivery, Disposition, Event, EventError};

use crate::{
    error::Error,
    lane::{Arrived, Lane, Route},
    message::{Message, Note, now},
    publisher::Parcel,
};

/// The pause before an event whose answer could not be kept returns to its lane. Without it, a broker
/// that delivers but takes nothing would make the component handle the same event as fast as it can.
const KEPT_BACK: Duration = Duration::from_millis(500);

/// An event that is out. Dropped unsettled, it returns to its lane.
pub(crate) struct Out {
    lane: Arc<Lane>,
    /// By the declaration of the release that took it.
    route: Route,
    event: Event,
    arrived: Option<Arrived>,
}

impl Out {
    pub(crate) fn new(lane: Arc<Lane>, route: Route, arrived: Arrived) -> Self {
        Self { lane, route, event: arrived.message.event.clone(), arrived: Some(arrived) }
    }

    /// Whether this process has handled the event before. A made-up id says that two messages are
    /// equal, not that they are one; a redelivered message is one.
    pub(crate) fn was_handled(&self) -> bool {
        let Some(Arrived { message, redelivered, .. }) = &self.arrived else { return false };
        (message.has_id || *redelivered) && self.lane.source.handled.knows(&message.event.id)
    }

    /// Makes what was answered durable, up to the acknowledgement.
    async fn carry_out(&self, message: &Message, disposition: Disposition) -> Result<(), Error> {
        let route = &self.route;
        let attempt = message.event.attempt;
        match disposition {
            Disposition::Done => {
                // Before the acknowledgement: should that be lost, the event comes again, and is
                // known.
                self.lane.source.handled.mark(&message.event.id);
                Ok(())
            }
            Disposition::Retry(reason) if attempt < route.queue.retry.attempts => {
                retry(route, message, &reason).await
            }
            Disposition::Retry(reason) | Disposition::Reject(reason) => {
                bury(route, message, attempt, &reason).await
            }
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            self.lane.returned(arrived);
        }
    }
}

#[async_trait]
impl Delivery for Out {
    fn event(&self) -> &Event {
        &self.event
    }

    async fn settle(mut self: Box<Self>, disposition: Disposition) -> Result<(), EventError> {
        let Some(arrived) = &self.arrived else {
            return Err(EventError::Invalid("the delivery is settled".to_owned()));
        };
        let (message, acker) = (arrived.message.clone(), arrived.acker.clone());
        let is_done = disposition == Disposition::Done;
        if (is_done || acker.usable())
            && let Err(error) = self.carry_out(&message, disposition).await
        {
            tokio::time::sleep(KEPT_BACK).await;
            return Err(error.into());
        }
        let receiving = &self.lane.source.receiving;
        let acknowledged = receiving.bounded(acker.ack(BasicAckOptions::default())).await;
        // Settled, or its channel is gone and the broker delivers it again: not for us to return.
        if let Some(arrived) = self.arrived.take() {
            self.lane.settled(&arrived);
        }
        match acknowledged {
            Ok(true) => Ok(()),
            Ok(false) => {
                let text = "the connection was lost meanwhile, the event comes again";
                Err(EventError::Unavailable(text.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Lets an event wait for its next attempt.
async fn retry(route: &Route, message: &Message, reason: &str) -> Result<(), Error> {
    let attempts = message.event.attempt;
    let pause = route.queue.pause(attempts);
    let note = Note { attempts, reason: Some(reason), ..Note::default() };
    if pause == 0 {
        return put_back(route, message, &note).await;
    }
    let key = route.topology.pausing(&route.queue, pause).await?;
    deliver(route, key, message, &note).await
}

/// Makes a dead letter of an event.
pub(crate) async fn bury(
    route: &Route,
    message: &Message,
    attempts: u32,
    reason: &str,
) -> Result<(), Error> {
    let died_at = Some(now());
    let note = Note { attempts, reason: Some(reason), died_at, ..Note::default() };
    route.topology.ensure().await?;
    deliver(route, route.queue.dead(), message, &note).await
}

/// Puts an event at the end of its queue.
pub(crate) async fn put_back(
    route: &Route,
    message: &Message,
    note: &Note<'_>,
) -> Result<(), Error> {
    deliver(route, route.queue.queue.clone(), message, note).await
}

async fn deliver(
    route: &Route,
    key: String,
    message: &Message,
    note: &Note<'_>,
) -> Result<(), Error> {
    let parcel = Parcel {
        exchange: String::new(),
        key,
        mandatory: true,
        properties: message.moved(note),
        payload: message.event.payload.clone(),
    };
    route.mover.deliver(parcel).await.inspect_err(|_| route.topology.forget())
}
