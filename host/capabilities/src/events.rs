//! Events: durable queues between components. Publishing happens through a commit's outbox only.
//!
//! # What every backend must do
//! - `publish` returns once the events are durable; publishing an event id again is harmless.
//! - Each queue sees the events of its topics in publishing order on first delivery, at least once.
//! - A delivery that is neither acknowledged nor returned (the host died) comes again.
//! - After [`Retry::attempts`] deliveries, or a reject, an event is a dead letter, kept with its
//!   reason until an operator replays or drops it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::TenantId;

/// One delivery of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same over redeliveries.
    pub id: String,
    /// Routing key.
    pub topic: String,
    /// Body.
    pub payload: Bytes,
    /// 1 on the first delivery.
    pub attempt: u32,
    /// Milliseconds since the epoch.
    pub published_at: i64,
}

/// What a consumer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Handled.
    Done,
    /// Again later; the reason is kept.
    Retry(String),
    /// Never; the reason is kept.
    Reject(String),
}

/// How often and how soon an event is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Deliveries before an event is a dead letter.
    pub attempts: u32,
    /// The pause before the second delivery; it doubles each time.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Retry {
    /// Some nine minutes in all: a store that is away for that long buries no event.
    fn default() -> Self {
        Self {
            attempts: 16,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// A queue the manifest declares: which topics reach which consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Such as `profile.auth.user.created`.
    pub name: String,
    /// Exact routing keys.
    pub topics: Vec<String>,
    /// Its retry rule.
    pub retry: Retry,
}

/// An event that could not be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue it was in.
    pub queue: String,
    /// The event, with the attempts made.
    pub event: Event,
    /// The last reason.
    pub reason: String,
    /// Milliseconds since the epoch.
    pub died_at: i64,
}

/// Why a queue call failed. Retryable: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The request is wrong, such as an unknown queue.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The broker is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// One delivery in hand. Dropping it unsettled returns it to the queue.
#[async_trait]
pub trait Delivery: Send {
    /// The event.
    fn event(&self) -> &Event;

    /// Applies the consumer's answer durably: `Done` forgets it, `Retry` schedules it by the
    /// queue's rule (or buries it after the last attempt), `Reject` buries it.
    async fn settle(self: Box<Self>, disposition: Disposition) -> Result<(), EventError>;
}

/// One tenant's queues.
#[async_trait]
pub trait Events: Send + Sync {
    /// Makes events durable in every queue bound to their topic, in order.
    async fn publish(&self, events: Vec<Event>) -> Result<(), EventError>;

    /// The next due delivery of a queue; waits for one. Cancel-safe.
    async fn next(&self, queue: &str) -> Result<Box<dyn Delivery>, EventError>;

    /// Events waiting, in flight included.
    async fn depth(&self, queue: &str) -> Result<u64, EventError>;

    /// How many dead letters a queue has. Cheap enough to be asked every few seconds.
    async fn dead_letter_count(&self, queue: &str) -> Result<u64, EventError>;

    /// The oldest dead letters of a queue.
    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, EventError>;

    /// Puts a dead letter back into its queue with its attempts at 0. False when there is none.
    async fn replay(&self, queue: &str, event_id: &str) -> Result<bool, EventError>;

    /// Drops a dead letter for good. False when there is none.
    async fn discard(&self, queue: &str, event_id: &str) -> Result<bool, EventError>;
}

/// Opens tenants' queues.
#[async_trait]
pub trait EventsBackend: Send + Sync {
    /// Opens (and creates) these queues. A queue declared before but not now keeps its events.
    async fn open(
        &self,
        tenant: &TenantId,
        queues: &[Queue],
    ) -> Result<Arc<dyn Events>, EventError>;
}
