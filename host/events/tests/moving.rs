//! The relay and the dispatcher against a small queue in memory that can be told to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    calls::{CallContext, CallError, EventHandler},
    documents::{DocumentError, Outbox, Unpublished},
    events::{DeadLetter, Delivery, Disposition, Event, EventError, Events},
};
use pingtalk_events::{dispatcher, relay};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        topic: "t".to_owned(),
        payload: Bytes::new(),
        attempt: 0,
        published_at: 0,
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<Event>>,
    settled: Mutex<Vec<(String, Disposition)>>,
    fail_publish: AtomicUsize,
    changed: Notify,
}

struct InHand {
    queue: Arc<Queue>,
    event: Option<Event>,
    seen: Event,
}

#[async_trait]
impl Delivery for InHand {
    fn event(&self) -> &Event {
        &self.seen
    }

    async fn settle(mut self: Box<Self>, disposition: Disposition) -> Result<(), EventError> {
        self.event = None;
        self.queue.settled.lock().unwrap().push((self.seen.id.clone(), disposition));
        Ok(())
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.queue.waiting.lock().unwrap().push_back(event);
            self.queue.changed.notify_one();
        }
    }
}

struct Shared(Arc<Queue>);

#[async_trait]
impl Events for Shared {
    async fn publish(&self, events: Vec<Event>) -> Result<(), EventError> {
        let failing = self.0.fail_publish.load(Ordering::SeqCst);
        if failing > 0 {
            self.0.fail_publish.store(failing - 1, Ordering::SeqCst);
            return Err(EventError::Unavailable("down".to_owned()));
        }
        self.0.waiting.lock().unwrap().extend(events);
        self.0.changed.notify_one();
        Ok(())
    }

    async fn next(&self, _queue: &str) -> Result<Box<dyn Delivery>, EventError> {
        loop {
            if let Some(event) = self.0.waiting.lock().unwrap().pop_front() {
                let seen = event.clone();
                return Ok(Box::new(InHand {
                    queue: Arc::clone(&self.0),
                    event: Some(event),
                    seen,
                }));
            }
            self.0.changed.notified().await;
        }
    }

    async fn depth(&self, _queue: &str) -> Result<u64, EventError> {
        Ok(self.0.waiting.lock().unwrap().len() as u64)
    }

    async fn dead_letter_count(&self, _: &str) -> Result<u64, EventError> {
        Ok(0)
    }

    async fn dead_letters(&self, _: &str, _: usize) -> Result<Vec<DeadLetter>, EventError> {
        Ok(Vec::new())
    }

    async fn replay(&self, _: &str, _: &str) -> Result<bool, EventError> {
        Ok(false)
    }

    async fn discard(&self, _: &str, _: &str) -> Result<bool, EventError> {
        Ok(false)
    }
}

struct Stored {
    rows: Mutex<Vec<Unpublished>>,
    changed: Notify,
}

#[async_trait]
impl Outbox for Stored {
    async fn unpublished(&self, limit: usize) -> Result<Vec<Unpublished>, DocumentError> {
        Ok(self.rows.lock().unwrap().iter().take(limit).cloned().collect())
    }

    async fn published(&self, positions: Vec<String>) -> Result<(), DocumentError> {
        self.rows.lock().unwrap().retain(|row| !positions.contains(&row.position));
        Ok(())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_away_gets_everything_in_order_once_it_is_back() {
    let queue = Arc::new(Queue { fail_publish: AtomicUsize::new(5), ..Queue::default() });
    let rows = (0..600)
        .map(|n| Unpublished { position: n.to_string(), event: event(&n.to_string()) })
        .collect::<Vec<_>>();
    let outbox = Arc::new(Stored { rows: Mutex::new(rows), changed: Notify::new() });
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay::run(
        Arc::clone(&outbox) as _,
        Arc::new(Shared(Arc::clone(&queue))),
        stop.clone(),
    ));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(outbox.rows.lock().unwrap().is_empty());
    let ids: Vec<_> = queue.waiting.lock().unwrap().iter().map(|e| e.id.clone()).collect();
    assert_eq!(ids, (0..600).map(|n| n.to_string()).collect::<Vec<_>>());

    // What is committed while stopping still goes out.
    outbox
        .rows
        .lock()
        .unwrap()
        .push(Unpublished { position: 600.to_string(), event: event("last") });
    stop.cancel();
    running.await.unwrap();
    assert!(outbox.rows.lock().unwrap().is_empty());
}

/// Answers by the event's id; `busy` is refused twice before it is handled.
struct Consumer {
    busy: AtomicUsize,
}

#[async_trait]
impl EventHandler for Consumer {
    async fn handle(&self, _: CallContext, event: Event) -> Result<Disposition, CallError> {
        match event.id.as_str() {
            "trap" => Err(CallError::Failed(Arc::from("unreachable"))),
            "reject" => Ok(Disposition::Reject("never".to_owned())),
            "busy" if self.busy.fetch_add(1, Ordering::SeqCst) < 2 => Err(CallError::Overloaded),
            _ => Ok(Disposition::Done),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_settled_by_the_answer_and_a_busy_host_costs_no_attempt() {
    let queue = Arc::new(Queue::default());
    for id in ["done", "trap", "reject", "busy"] {
        queue.waiting.lock().unwrap().push_back(event(id));
    }
    let stop = CancellationToken::new();
    let running = tokio::spawn(dispatcher::run(
        Arc::new(Shared(Arc::clone(&queue))),
        "q".to_owned(),
        Arc::new(Consumer { busy: AtomicUsize::new(0) }),
        dispatcher::Config::default(),
        stop.clone(),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.cancel();
    running.await.unwrap();
    let mut settled = queue.settled.lock().unwrap().clone();
    settled.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        settled,
        [
            ("busy".to_owned(), Disposition::Done),
            ("done".to_owned(), Disposition::Done),
            ("reject".to_owned(), Disposition::Reject("never".to_owned())),
            ("trap".to_owned(), Disposition::Retry("the component failed: unreachable".to_owned())),
        ]
    );
}
