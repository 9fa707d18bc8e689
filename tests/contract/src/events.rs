//! What every event queue does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_capabilities::events::{
    Delivery, Disposition, Event, EventError, Events, EventsBackend, Queue, Retry,
};
use tokio::time::timeout;

use crate::tenant;

/// Runs the suite; see the crate's description.
#[macro_export]
macro_rules! events {
    ($setup:expr) => {
        $crate::suite!(
            events,
            $setup,
            [
                each_queue_sees_its_topics_in_order,
                publishing_again_is_harmless,
                next_waits_for_a_publication,
                a_dropped_delivery_returns,
                a_cancelled_next_loses_nothing,
                retries_come_back_after_growing_pauses,
                the_last_attempt_and_a_reject_bury,
                a_replayed_dead_letter_starts_over,
                a_discarded_dead_letter_is_gone,
                looking_at_dead_letters_changes_nothing,
                consumers_share_a_queue,
                a_retry_holds_up_nobody,
                an_undeclared_queue_is_invalid,
                a_queue_left_out_keeps_its_events,
                tenants_are_apart,
            ]
        );
    };
}

const PATIENCE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(300);

fn queue(name: &str, topics: &[&str]) -> Queue {
    let retry = Retry {
        attempts: 3,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(150),
    };
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Queue { name: name.to_owned(), topics, retry }
}

async fn open(backend: &Arc<dyn EventsBackend>) -> Arc<dyn Events> {
    backend.open(&tenant(), &[queue("one", &["a"]), queue("two", &["a", "b"])]).await.unwrap()
}

fn event(id: &str, topic: &str) -> Event {
    Event {
        id: id.to_owned(),
        topic: topic.to_owned(),
        payload: Bytes::from(format!("{{\"of\":\"{id}\"}}")),
        attempt: 0,
        published_at: 1_700_000_000_123,
    }
}

async fn next(events: &Arc<dyn Events>, queue: &str) -> Box<dyn Delivery> {
    timeout(PATIENCE, events.next(queue)).await.expect("an event in time").unwrap()
}

async fn take(events: &Arc<dyn Events>, queue: &str) -> Event {
    let delivery = next(events, queue).await;
    let event = delivery.event().clone();
    delivery.settle(Disposition::Done).await.unwrap();
    event
}

async fn nothing(events: &Arc<dyn Events>, queue: &str) {
    let found = timeout(MOMENT, events.next(queue)).await;
    assert!(found.is_err(), "{:?}", found.map(|found| found.map(|it| it.event().clone())));
}

/// Each queue gets the events of its topics, whole and in publishing order; nobody gets others.
pub async fn each_queue_sees_its_topics_in_order(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    for at in 0..100 {
        let topic = ["a", "b", "nobody's"][at % 3];
        events.publish(vec![event(&format!("{at}"), topic)]).await.unwrap();
    }
    events.publish((100..150).map(|at| event(&format!("{at}"), "a")).collect()).await.unwrap();
    events.publish(vec![]).await.unwrap();
    assert_eq!(events.depth("one").await, Ok(84));
    let first = take(&events, "one").await;
    assert_eq!(first, Event { attempt: 1, ..event("0", "a") });
    for at in (3..100).step_by(3).chain(100..150) {
        assert_eq!(take(&events, "one").await.id, format!("{at}"));
    }
    for at in (0..100).filter(|at| at % 3 < 2).chain(100..150) {
        assert_eq!(take(&events, "two").await.id, format!("{at}"));
    }
    nothing(&events, "one").await;
    assert_eq!(events.depth("one").await, Ok(0));
    assert_eq!(events.depth("two").await, Ok(0));
}

/// An event id is published once, also when it is being handled or was handled.
pub async fn publishing_again_is_harmless(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish(vec![event("x", "a"), event("x", "a")]).await.unwrap();
    events.publish(vec![event("x", "a")]).await.unwrap();
    let delivery = next(&events, "one").await;
    events.publish(vec![event("x", "a")]).await.unwrap();
    delivery.settle(Disposition::Done).await.unwrap();
    events.publish(vec![event("x", "a"), event("y", "a")]).await.unwrap();
    assert_eq!(take(&events, "one").await.id, "y");
    nothing(&events, "one").await;
    assert_eq!(events.depth("two").await, Ok(2), "each queue counts for itself");
}

/// A waiting consumer is woken soon after a publication.
pub async fn next_waits_for_a_publication(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    for at in 0..20 {
        let waiting = tokio::spawn({
            let events = Arc::clone(&events);
            async move { take(&events, "one").await }
        });
        tokio::time::sleep(Duration::from_millis(at)).await;
        events.publish(vec![event(&format!("{at}"), "a")]).await.unwrap();
        let woken = timeout(Duration::from_secs(2), waiting).await.expect("woken").unwrap();
        assert_eq!(woken.id, format!("{at}"));
    }
}

/// A delivery dropped unsettled comes again, and counts as waiting meanwhile.
pub async fn a_dropped_delivery_returns(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish(vec![event("x", "a"), event("y", "a")]).await.unwrap();
    let delivery = next(&events, "one").await;
    assert_eq!(delivery.event().id, "x");
    assert_eq!(events.depth("one").await, Ok(2));
    drop(delivery);
    let mut seen = vec![take(&events, "one").await.id, take(&events, "one").await.id];
    seen.sort();
    assert_eq!(seen, ["x", "y"]);
    nothing(&events, "one").await;
}

/// A `next` given up on takes nothing along.
pub async fn a_cancelled_next_loses_nothing(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    for at in 0..30_u64 {
        let waiting = tokio::spawn({
            let events = Arc::clone(&events);
            async move { drop(events.next("one").await) }
        });
        if at % 2 == 0 {
            tokio::time::sleep(Duration::from_micros(at * 100)).await;
        }
        events.publish(vec![event(&format!("{at}"), "a")]).await.unwrap();
        waiting.abort();
    }
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(take(&events, "one").await.id.parse::<u64>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    nothing(&events, "one").await;
}

/// A retry is not due at once; its attempts count up.
pub async fn retries_come_back_after_growing_pauses(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish(vec![event("x", "a")]).await.unwrap();
    let mut since = Instant::now();
    for (attempt, pause) in [(1, 0), (2, 100), (3, 150)] {
        let delivery = next(&events, "one").await;
        assert_eq!(delivery.event(), &Event { attempt, ..event("x", "a") });
        // Clocks in milliseconds may round a little down.
        assert!(
            since.elapsed()
                >= Duration::from_millis(pause).saturating_sub(Duration::from_millis(2))
        );
        let answer =
            if attempt < 3 { Disposition::Retry("later".into()) } else { Disposition::Done };
        since = Instant::now();
        delivery.settle(answer).await.unwrap();
    }
    nothing(&events, "one").await;
    assert_eq!(events.dead_letters("one", 10).await, Ok(vec![]));
}

/// The third failure of three attempts, and any reject, make a dead letter with its reason.
pub async fn the_last_attempt_and_a_reject_bury(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish(vec![event("x", "a")]).await.unwrap();
    for attempt in 1..=3 {
        let delivery = next(&events, "one").await;
        delivery.settle(Disposition::Retry(format!("failure {attempt}"))).await.unwrap();
    }
    events.publish(vec![event("y", "a")]).await.unwrap();
    let delivery = next(&events, "one").await;
    assert_eq!(delivery.event().id, "y");
    delivery.settle(Disposition::Reject("nonsense".into())).await.unwrap();
    nothing(&events, "one").await;
    let dead = events.dead_letters("one", 10).await.unwrap();
    let facts: Vec<_> = dead
        .iter()
        .map(|dead| {
            (dead.queue.as_str(), dead.event.id.as_str(), dead.event.attempt, dead.reason.as_str())
        })
        .collect();
    assert_eq!(facts, [("one", "x", 3, "failure 3"), ("one", "y", 1, "nonsense")]);
    assert_eq!(dead[0].event.payload, event("x", "a").payload);
    assert!(dead[0].died_at > 1_700_000_000_000 && dead[0].died_at <= dead[1].died_at);
    assert_eq!(events.dead_letters("one", 1).await.unwrap().len(), 1);
    assert_eq!(events.dead_letters("two", 10).await, Ok(vec![]));
    assert_eq!(events.depth("one").await, Ok(0));
    counted(&events, "one", 2).await;
    counted(&events, "two", 0).await;
}

/// Replaying puts a dead letter back with all its attempts before it.
pub async fn a_replayed_dead_letter_starts_over(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish(vec![event("x", "a"), event("y", "a")]).await.unwrap();
    for _ in 0..2 {
        next(&events, "one").await.settle(Disposition::Reject("no".into())).await.unwrap();
    }
    assert_eq!(events.replay("one", "absent").await, Ok(false));
    assert_eq!(events.replay("two", "x").await, Ok(false));
    let waiting = tokio::spawn({
        let events = Arc::clone(&events);
        async move { take(&events, "one").await }
    });
    assert_eq!(events.replay("one", "x").await, Ok(true));
    let again = timeout(PATIENCE, waiting).await.expect("woken").unwrap();
    assert_eq!(again, Event { attempt: 1, ..event("x", "a") });
    assert_eq!(events.replay("one", "x").await, Ok(false));
    assert_eq!(events.dead_letters("one", 10).await.unwrap().len(), 1);
}

/// Discarding drops one dead letter for good, and no other.
pub async fn a_discarded_dead_letter_is_gone(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish((0..3).map(|at| event(&format!("{at}"), "a")).collect()).await.unwrap();
    for _ in 0..3 {
        next(&events, "one").await.settle(Disposition::Reject("no".into())).await.unwrap();
    }
    assert_eq!(events.discard("one", "x").await, Ok(false));
    assert_eq!(events.discard("two", "1").await, Ok(false));
    assert_eq!(events.discard("one", "1").await, Ok(true));
    assert_eq!(events.discard("one", "1").await, Ok(false));
    assert_eq!(events.replay("one", "1").await, Ok(false));
    assert_eq!(dead_ids(&events, 10).await, ["0", "2"]);
    counted(&events, "one", 2).await;
    nothing(&events, "one").await;
}

/// However often somebody looks, the dead letters stay, in the order in which they died.
pub async fn looking_at_dead_letters_changes_nothing(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish((0..5).map(|at| event(&format!("{at}"), "a")).collect()).await.unwrap();
    for _ in 0..5 {
        next(&events, "one").await.settle(Disposition::Reject("no".into())).await.unwrap();
    }
    for _ in 0..30 {
        assert_eq!(dead_ids(&events, 2).await, ["0", "1"]);
    }
    let looking: Vec<_> = (0..4)
        .map(|_| {
            let events = Arc::clone(&events);
            tokio::spawn(async move { dead_ids(&events, 10).await })
        })
        .collect();
    for looked in looking {
        assert_eq!(looked.await.unwrap(), ["0", "1", "2", "3", "4"]);
    }
    assert_eq!(events.replay("one", "3").await, Ok(true));
    assert_eq!(dead_ids(&events, 10).await, ["0", "1", "2", "4"]);
    assert_eq!(take(&events, "one").await.id, "3");
}

/// A broker may count what it has just got back a moment later.
async fn counted(events: &Arc<dyn Events>, queue: &str, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while events.dead_letter_count(queue).await != Ok(count) {
        assert!(Instant::now() < deadline, "{queue} should have {count} dead letters");
        tokio::time::sleep(MOMENT).await;
    }
}

async fn dead_ids(events: &Arc<dyn Events>, limit: usize) -> Vec<String> {
    let dead = events.dead_letters("one", limit).await.unwrap();
    dead.into_iter().map(|dead| dead.event.id).collect()
}

/// Several consumers of one queue get each event once between them.
pub async fn consumers_share_a_queue(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    let settled = Arc::new(AtomicUsize::new(0));
    let consumers: Vec<_> = (0..8)
        .map(|_| {
            let (events, settled) = (Arc::clone(&events), Arc::clone(&settled));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while settled.load(Ordering::SeqCst) < 400 {
                    let Ok(delivery) = timeout(MOMENT, events.next("one")).await else { continue };
                    let delivery = delivery.unwrap();
                    seen.push(delivery.event().id.parse::<u32>().unwrap());
                    delivery.settle(Disposition::Done).await.unwrap();
                    settled.fetch_add(1, Ordering::SeqCst);
                }
                seen
            })
        })
        .collect();
    for start in (0..400).step_by(20) {
        let batch = (start..start + 20).map(|at| event(&format!("{at}"), "a")).collect();
        events.publish(batch).await.unwrap();
    }
    let mut seen = Vec::new();
    for consumer in consumers {
        seen.extend(consumer.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
    nothing(&events, "one").await;
}

/// While one event pauses, those behind it go on.
pub async fn a_retry_holds_up_nobody(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    events.publish((0..5).map(|at| event(&format!("{at}"), "a")).collect()).await.unwrap();
    next(&events, "one").await.settle(Disposition::Retry("later".into())).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(take(&events, "one").await.id);
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
}

/// Asking about a queue that was not declared is the caller's fault.
pub async fn an_undeclared_queue_is_invalid(backend: Arc<dyn EventsBackend>) {
    let events = open(&backend).await;
    assert!(matches!(events.next("x").await.map(|_| ()), Err(EventError::Invalid(_))));
    assert!(matches!(events.depth("x").await, Err(EventError::Invalid(_))));
    assert!(matches!(events.dead_letters("x", 1).await, Err(EventError::Invalid(_))));
    assert!(matches!(events.replay("x", "y").await, Err(EventError::Invalid(_))));
    assert!(matches!(events.discard("x", "y").await, Err(EventError::Invalid(_))));
}

/// A queue that a release does not declare keeps what it has for the next that does.
pub async fn a_queue_left_out_keeps_its_events(backend: Arc<dyn EventsBackend>) {
    let tenant = tenant();
    let both = [queue("one", &["a"]), queue("two", &["a"])];
    let old = backend.open(&tenant, &both).await.unwrap();
    old.publish(vec![event("x", "a")]).await.unwrap();
    let new = backend.open(&tenant, &both[..1]).await.unwrap();
    assert!(matches!(new.depth("two").await, Err(EventError::Invalid(_))));
    assert_eq!(take(&new, "one").await.id, "x");
    let again = backend.open(&tenant, &both).await.unwrap();
    assert_eq!(take(&again, "two").await.id, "x");
}

/// One tenant's events are not another's.
pub async fn tenants_are_apart(backend: Arc<dyn EventsBackend>) {
    let (one, two) = (open(&backend).await, open(&backend).await);
    one.publish(vec![event("x", "a")]).await.unwrap();
    assert_eq!(two.depth("one").await, Ok(0));
    nothing(&two, "one").await;
    assert_eq!(take(&one, "one").await.id, "x");
}
