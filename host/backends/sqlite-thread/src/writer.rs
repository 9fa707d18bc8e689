//! The writer thread: one transaction for all jobs that wait.
//!
//! A commit costs a sync of the disk whatever its size, so the jobs that arrive during one sync share
//! the next (group commit). Each job has a savepoint: one that fails is undone alone. No job is
//! answered before the shared commit is on disk; when that fails, all of them fail.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Failure, queue::Queue};

/// Most jobs in one transaction: bounds what a failing commit takes along, and the wait of the
/// first.
const BATCH: usize = 128;

/// A handle to the thread. Dropping it ends the thread once the queue is drained.
pub struct Writer {
    queue: Arc<Queue<Box<dyn Job>>>,
}

trait Job: Send {
    /// Runs within its savepoint. False: undo it.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Learns how the transaction ended.
    fn finish(self: Box<Self>, transaction: &Result<(), Failure>);
}

struct Task<T, E, R, D> {
    run: Option<R>,
    result: Option<Result<T, E>>,
    done: D,
}

impl<T, E, R, D> Job for Task<T, E, R, D>
where
    T: Send,
    E: From<Failure> + Send,
    R: FnOnce(&Connection) -> Result<T, E> + Send,
    D: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(run) = self.run.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| run(connection)))
            .unwrap_or_else(|_| Err(Failure::Panicked.into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, transaction: &Result<(), Failure>) {
        let result = match (self.result, transaction) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(failure)) => Err(failure.clone().into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Failure::Stopped.into()),
        };
        (self.done)(result);
    }
}

impl Writer {
    /// Starts a thread that opens its connection with `open` and then serves up to `max_waiting`
    /// queued jobs. `open` also returns what must live as long as the thread (a lock).
    ///
    /// # Errors
    /// When the thread can't start or `open` fails.
    pub async fn start<G, E>(
        name: &str,
        max_waiting: usize,
        open: impl FnOnce() -> Result<(Connection, G), E> + Send + 'static,
    ) -> Result<Self, E>
    where
        G: 'static,
        E: From<Failure> + Send + 'static,
    {
        let queue = Arc::new(Queue::new(max_waiting));
        let (opened, result) = oneshot::channel();
        let served = Arc::clone(&queue);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || match open() {
                Ok((connection, guard)) => {
                    // If nobody waits any more, the queue is closed and the loop ends at once.
                    drop(opened.send(Ok(())));
                    serve(&connection, &served);
                    // Closed first: who takes the lock next must find the file at rest.
                    drop(connection);
                    drop(guard);
                }
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(Failure::from)?;
        let writer = Self { queue };
        result.await.unwrap_or_else(|_| Err(Failure::Stopped.into()))?;
        Ok(writer)
    }

    /// Queues `run`, and calls `done` on the writer thread once its transaction has ended.
    /// `weight` is what the job holds, in bytes.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] or [`Failure::Stopped`]; then `done` is not called.
    pub fn submit<T, E>(
        &self,
        weight: usize,
        run: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Result<(), Failure>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        self.queue.push(Box::new(Task { run: Some(run), result: None, done }), weight)
    }

    /// Queues `run` and waits until it is on disk. A job whose turn comes after the deadline is
    /// not run; one whose answer comes after it may have happened ([`Failure::Deadline`]).
    ///
    /// # Errors
    /// What `run` returns, or a [`Failure`].
    pub async fn run<T, E>(
        &self,
        weight: usize,
        deadline: Instant,
        run: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let run = move |connection: &Connection| {
            if Instant::now() >= deadline {
                return Err(Failure::Deadline.into());
            }
            run(connection)
        };
        // Nobody waiting any more is no failure: the write stands.
        self.submit(weight, run, move |outcome| drop(answer.send(outcome)))?;
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::Stopped.into()),
            Err(_) => Err(Failure::Deadline.into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn serve(connection: &Connection, queue: &Queue<Box<dyn Job>>) {
    /// Whatever ends the thread, nobody may wait for it any longer.
    struct Abandon<'a>(&'a Queue<Box<dyn Job>>);
    impl Drop for Abandon<'_> {
        fn drop(&mut self) {
            self.0.abandon();
        }
    }
    let _abandon = Abandon(queue);
    let mut batch = Vec::new();
    while queue.take(&mut batch, BATCH) {
        let outcome = transact(connection, &mut batch);
        if let Err(failure) = &outcome {
            tracing::warn!(jobs = batch.len(), %failure, "transaction rolled back");
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "rollback failed");
            }
        }
        for job in batch.drain(..) {
            job.finish(&outcome);
        }
    }
}

fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("BEGIN IMMEDIATE")?;
    for job in batch {
        run("SAVEPOINT job")?;
        let keep = job.run(connection);
        // On some errors (a full disk) SQLite gives up the whole transaction by itself.
        if connection.is_autocommit() {
            return Err(Failure::Storage("the transaction was rolled back".to_owned()));
        }
        if !keep {
            run("ROLLBACK TO job")?;
        }
        run("RELEASE job")?;
    }
    run("COMMIT")?;
    Ok(())
}
