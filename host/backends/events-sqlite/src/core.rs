//! One tenant's open database, and the operations that touch its writer and its lanes.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pingtalk_capabilities::events::{Event, EventError, Queue, Retry};
use pingtalk_sqlite_thread::{Failure, FileLock, Settings, Writer, open_writer};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Config,
    delivery::Held,
    error::Error,
    lane::{Found, Lane, Read},
    table,
};

/// Events read ahead of their consumers, of each kind. With 256 KiB a payload, at most 8 MiB.
const AHEAD: usize = 16;
/// How long a call may take. The capability sets no deadline: its callers are the relay and the
/// dispatcher, which can wait.
const DEADLINE: Duration = Duration::from_secs(30);
/// Page cache, in KiB. The queue is short-lived data: little is read twice.
const CACHE_KIB: u32 = 2 * 1024;

pub(crate) struct Core {
    writer: Writer,
    /// Where publishing goes: the latest declaration's.
    routes: RwLock<Arc<Routes>>,
    /// Each queue's lane, by its number, for as long as the database is open: a second one would
    /// deliver a second time.
    lanes: Mutex<HashMap<i64, Arc<Lane>>>,
    /// Handled events on disk, about: a failed transaction may leave it a little off.
    remembered: Arc<AtomicI64>,
}

/// The queues of one declaration.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) queues: HashMap<String, Arc<Declared>>,
    topics: HashMap<String, Vec<Arc<Declared>>>,
}

/// A declared queue.
pub(crate) struct Declared {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) retry: Retry,
    pub(crate) lane: Arc<Lane>,
}

impl Core {
    /// Opens a database file with its thread.
    pub(crate) async fn open(folder: &Path, config: &Config) -> Result<Self, Error> {
        let settings = Settings { max_bytes: config.max_bytes, cache_kib: CACHE_KIB };
        let file = folder.join("events.sqlite");
        let lock = folder.join("events.lock");
        let remembered = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&remembered);
        let writer = Writer::start("events-write", config.max_waiting, move || {
            let lock = FileLock::acquire(&lock)?;
            let connection = open_writer(&file, settings)?;
            table::prepare(&connection)?;
            counted.store(table::remembered(&connection)?, Ordering::Relaxed);
            Ok::<_, Error>((connection, lock))
        })
        .await?;
        Ok(Self { writer, routes: RwLock::default(), lanes: Mutex::default(), remembered })
    }

    /// Makes what is declared, and sends what is published from now on there.
    pub(crate) async fn declare(&self, queues: &[Queue]) -> Result<Arc<Routes>, EventError> {
        for queue in queues {
            if queue.name.is_empty() || queue.name.len() > 255 || queue.retry.attempts == 0 {
                let text = "a queue has a name of 1 to 255 bytes and at least one attempt";
                return Err(EventError::Invalid(text.to_owned()));
            }
        }
        let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
        let numbers = self
            .call(0, move |connection| {
                names
                    .iter()
                    .map(|name| table::queue(connection, name))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let mut routes = Routes::default();
        for (queue, number) in queues.iter().zip(numbers) {
            let declared = Arc::new(Declared {
                number,
                name: queue.name.clone(),
                retry: queue.retry,
                lane: self.lane(number),
            });
            if routes.queues.insert(queue.name.clone(), Arc::clone(&declared)).is_some() {
                let text = format!("the queue {} is declared twice", queue.name);
                return Err(EventError::Invalid(text));
            }
            for topic in &queue.topics {
                routes.topics.entry(topic.clone()).or_default().push(Arc::clone(&declared));
            }
        }
        let routes = Arc::new(routes);
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&routes);
        Ok(routes)
    }

    fn lane(&self, number: i64) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(number).or_insert_with(|| Arc::new(Lane::new())))
    }

    /// Runs on the writer thread and returns once it is on disk.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writer.run(weight, Instant::now() + DEADLINE, run).await
    }

    /// Like [`Self::call`]; `done` learns of success even when nobody waits any more.
    async fn call_then<T: Send + 'static, U: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        done: impl FnOnce(Result<T, Error>) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Error> {
        let (answer, result) = oneshot::channel();
        let done = move |result| drop(answer.send(done(result)));
        self.writer.submit(weight, run, done)?;
        result.await.unwrap_or(Err(Error(Failure::Stopped)))
    }

    /// Adds events to the queues of their topics.
    pub(crate) async fn publish(&self, events: Vec<Event>) -> Result<(), Error> {
        let routes = Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner));
        let weight = events.iter().map(|event| event.payload.len()).sum();
        let run = move |connection: &Connection| {
            let mut reached: Vec<Arc<Lane>> = Vec::new();
            for event in &events {
                for queue in routes.topics.get(&event.topic).into_iter().flatten() {
                    let new = table::add(connection, queue.number, event)?;
                    if new && !reached.iter().any(|lane| Arc::ptr_eq(lane, &queue.lane)) {
                        reached.push(Arc::clone(&queue.lane));
                    }
                }
            }
            Ok(reached)
        };
        let done = |result: Result<Vec<Arc<Lane>>, Error>| {
            result.map(|lanes| lanes.iter().for_each(|lane| lane.published()))
        };
        self.call_then(weight, run, done).await
    }

    /// Reads ahead for a lane that asked for it.
    pub(crate) async fn read(&self, queue: &Declared, read: Read) -> Result<(), Error> {
        let number = queue.number;
        let Read { reading, after, known } = read;
        let run = move |connection: &Connection| {
            let now = now();
            let limit = AHEAD.saturating_add(known);
            let due = table::due(connection, number, now, limit)?;
            // A full answer may not be the whole: look again at once.
            let next_due = if due.len() == limit {
                Some(now)
            } else {
                table::next_due(connection, number, now)?
            };
            let fresh = table::fresh(connection, number, after, AHEAD)?;
            Ok(Found { due, more: fresh.len() == AHEAD, fresh, next_due })
        };
        self.call_then(0, run, move |result| result.map(|found| reading.filled(found))).await
    }

    /// Settles a delivery; unless that is on disk, it comes back.
    pub(crate) async fn settle(&self, held: Held, verdict: Verdict) -> Result<(), Error> {
        let position = held.position();
        let attempts = held.event().attempt;
        let remembered = Arc::clone(&self.remembered);
        let run = move |connection: &Connection| {
            let now = now();
            match verdict {
                Verdict::Done => {
                    table::done(connection, position, now)?;
                    let pruned = table::prune(connection, remembered.load(Ordering::Relaxed), now)?;
                    remembered.fetch_add(1 - pruned, Ordering::Relaxed);
                    Ok(None)
                }
                Verdict::Retry(pause, reason) => {
                    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                    let due = now.saturating_add(pause);
                    table::retry(connection, position, attempts, due, &reason)?;
                    Ok(Some(due))
                }
                Verdict::Bury(reason) => {
                    table::bury(connection, position, attempts, &reason, now)?;
                    Ok(None)
                }
            }
        };
        self.call_then(0, run, move |result| result.map(|due| held.settled(due))).await
    }

    /// Puts a dead letter back. False when there is none.
    pub(crate) async fn replay(&self, queue: &Declared, id: &str) -> Result<bool, Error> {
        let (number, id) = (queue.number, id.to_owned());
        let lane = Arc::clone(&queue.lane);
        let run = move |connection: &Connection| {
            let now = now();
            Ok(table::replay(connection, number, &id, now)?.then_some(now))
        };
        let done = move |result: Result<Option<i64>, Error>| {
            result.map(|due| {
                if let Some(due) = due {
                    lane.due(due);
                }
                due.is_some()
            })
        };
        self.call_then(0, run, done).await
    }

    /// Drops a dead letter. False when there is none.
    pub(crate) async fn discard(&self, queue: &Declared, id: &str) -> Result<bool, Error> {
        let (number, id) = (queue.number, id.to_owned());
        let remembered = Arc::clone(&self.remembered);
        self.call(0, move |connection| {
            let discarded = table::discard(connection, number, &id, now())?;
            remembered.fetch_add(i64::from(discarded), Ordering::Relaxed);
            Ok(discarded)
        })
        .await
    }
}

/// What becomes of a delivered event.
pub(crate) enum Verdict {
    Done,
    /// Again after a pause, for a reason.
    Retry(Duration, String),
    /// A dead letter, for a reason.
    Bury(String),
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
