//! Reader threads: queries that run beside the writer, each on a snapshot of its own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Failure, queue::Queue};

/// SQLite looks at the deadline every so many of its instructions (about 0.1 ms).
const INSTRUCTIONS: i32 = 10_000;

/// A handle to the threads. Dropping it ends them once the queue is drained.
pub struct Readers {
    queue: Arc<Queue<Query>>,
}

struct Query {
    deadline: Instant,
    run: Box<dyn FnOnce(&Connection) + Send>,
}

impl Readers {
    /// Starts one thread per connection.
    ///
    /// # Errors
    /// When a thread can't start.
    pub fn start(
        name: &str,
        max_waiting: usize,
        connections: Vec<Connection>,
    ) -> Result<Self, Failure> {
        let readers = Self { queue: Arc::new(Queue::new(max_waiting)) };
        for mut connection in connections {
            let queue = Arc::clone(&readers.queue);
            let deadline = Arc::new(Mutex::new(None::<Instant>));
            let watched = Arc::clone(&deadline);
            let late = move || {
                let deadline = *watched.lock().unwrap_or_else(PoisonError::into_inner);
                deadline.is_some_and(|deadline| Instant::now() >= deadline)
            };
            connection.progress_handler(INSTRUCTIONS, Some(late))?;
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                let mut next = Vec::with_capacity(1);
                while queue.take(&mut next, 1) {
                    for query in next.drain(..) {
                        *deadline.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(query.deadline);
                        (query.run)(&connection);
                    }
                }
            })?;
        }
        Ok(readers)
    }

    /// Runs a query on a reader thread. It is interrupted at the deadline, and skipped when its
    /// caller has gone before its turn.
    ///
    /// # Errors
    /// What `run` returns, or a [`Failure`].
    pub async fn run<T, E>(
        &self,
        deadline: Instant,
        run: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let run = move |connection: &Connection| {
            if answer.is_closed() {
                return;
            }
            let outcome = if Instant::now() >= deadline {
                Err(Failure::Deadline.into())
            } else {
                catch_unwind(AssertUnwindSafe(|| run(connection)))
                    .unwrap_or_else(|_| Err(Failure::Panicked.into()))
            };
            drop(answer.send(outcome));
        };
        self.queue.push(Query { deadline, run: Box::new(run) }, 0)?;
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::Stopped.into()),
            Err(_) => Err(Failure::Deadline.into()),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}
