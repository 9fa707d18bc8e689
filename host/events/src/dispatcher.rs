//! The dispatcher: takes deliveries from a queue, calls the component that consumes it and settles
//! each by the component's answer.
//!
//! A component that traps or misses its deadline counts as an attempt, so that a poison event ends
//! as a dead letter. A host that is merely busy or shutting down does not: the delivery is dropped
//! unsettled, which returns it to the queue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_capabilities::{
    calls::{CallContext, CallError, EventHandler},
    events::{Delivery, Disposition, Events},
    trace::{Kind, Trace},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::backoff::Backoff;

/// How a queue is consumed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Deliveries in the component's hands at once.
    pub concurrency: usize,
    /// How long one delivery may take.
    pub deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { concurrency: 16, deadline: Duration::from_secs(30) }
    }
}

/// The pause before a delivery that met a busy host returns to its queue.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Consumes `queue` until `stop` is cancelled, then waits for the deliveries in hand.
pub async fn run(
    events: Arc<dyn Events>,
    queue: String,
    handler: Arc<dyn EventHandler>,
    config: Config,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(config.concurrency.max(1)));
    let in_hand = TaskTracker::new();
    let mut backoff = Backoff::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit,
            () = stop.cancelled() => break,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { break };
        let next = tokio::select! {
            next = events.next(&queue) => next,
            () = stop.cancelled() => break,
        };
        match next {
            Ok(delivery) => {
                backoff.reset();
                let handler = Arc::clone(&handler);
                let deadline = Instant::now() + config.deadline;
                in_hand.spawn(async move {
                    deliver(&*handler, delivery, deadline).await;
                    drop(permit);
                });
            }
            Err(error) => {
                let pause = backoff.next();
                tracing::warn!(%queue, %error, pause_ms = pause.as_millis(), "queue not readable, will try again");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    in_hand.close();
    in_hand.wait().await;
}

/// One delivery, from the queue to its settlement.
async fn deliver(handler: &dyn EventHandler, delivery: Box<dyn Delivery>, deadline: Instant) {
    let event = delivery.event().clone();
    let span = Trace::root(Kind::Consumer, || "event".into());
    if span.recording() {
        span.set("messaging.destination.name", event.topic.to_string());
        span.set("messaging.message.id", event.id.to_string());
    }
    let context = CallContext {
        request_id: Arc::from(event.id.as_str()),
        client: None,
        secure: false,
        deadline,
        trace: span.trace().clone(),
    };
    let (id, topic, attempt) = (event.id.clone(), event.topic.clone(), event.attempt);
    let disposition = match handler.handle(context, event).await {
        Ok(disposition) => disposition,
        Err(CallError::Overloaded | CallError::ShuttingDown | CallError::InstanceLost) => {
            tokio::time::sleep(BUSY_PAUSE).await;
            return;
        }
        Err(error) => Disposition::Retry(error.to_string()),
    };
    match &disposition {
        Disposition::Done => tracing::debug!(event = %id, %topic, attempt, "event handled"),
        Disposition::Retry(reason) => {
            span.fail(reason.clone());
            tracing::warn!(event = %id, %topic, attempt, %reason, "event not handled, will come again");
        }
        Disposition::Reject(reason) => {
            span.fail(reason.clone());
            tracing::error!(event = %id, %topic, attempt, %reason, "event rejected");
        }
    }
    if let Err(error) = delivery.settle(disposition).await {
        tracing::warn!(event = %id, %topic, %error, "event not settled, it will come again");
    }
}
