//! The writer and the readers, from outside.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use pingtalk_sqlite_thread::{
    Failure, FileLock, Readers, Settings, Writer, open_reader, open_writer,
};
use rusqlite::Connection;

const SETTINGS: Settings = Settings { max_bytes: 1 << 30, cache_kib: 1_024 };

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("deep/test.sqlite")
}

/// A writer over a table of numbers, and how often it committed.
async fn writer(path: &Path, max_waiting: usize) -> (Writer, Arc<AtomicUsize>) {
    let commits = Arc::new(AtomicUsize::new(0));
    let (counted, path) = (Arc::clone(&commits), path.to_owned());
    let writer = Writer::start("test-write", max_waiting, move || {
        let mut connection = open_writer(&path, SETTINGS)?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")?;
        connection.commit_hook(Some(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            false
        }))?;
        Ok::<_, Failure>((connection, ()))
    })
    .await;
    (writer.unwrap(), commits)
}

fn insert(connection: &Connection, n: i64) -> Result<(), Failure> {
    connection.execute("INSERT INTO t (n) VALUES (?1)", [n])?;
    Ok(())
}

fn numbers(path: &Path) -> Vec<i64> {
    let connection = open_reader(path, SETTINGS).unwrap();
    let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Holds the writer in a job until the sender is dropped.
fn hold(writer: &Writer) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (running, started) = mpsc::channel();
    let job = move |_: &Connection| {
        running.send(()).unwrap();
        // Nothing is ever sent: this ends when the sender is dropped.
        assert!(held.recv().is_err());
        Ok::<_, Failure>(())
    };
    writer.submit(0, job, |_| {}).unwrap();
    started.recv().unwrap();
    release
}

#[tokio::test]
async fn waiting_jobs_share_a_commit_and_fail_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, commits) = writer(&file(&folder), 100).await;
    let release = hold(&writer);
    let results: Vec<_> = (0..60_i64)
        .map(|n| {
            let (answer, result) = mpsc::channel();
            let job = move |connection: &Connection| {
                insert(connection, n)?;
                match n {
                    7 => insert(connection, 0),
                    8 => panic!("a job that panics"),
                    _ => Ok(()),
                }
            };
            writer.submit(0, job, move |result| answer.send(result).unwrap()).unwrap();
            result
        })
        .collect();
    drop(release);
    for (n, result) in results.into_iter().enumerate() {
        match (n, result.recv().unwrap()) {
            (7, result) => assert!(matches!(result, Err(Failure::Storage(_))), "{result:?}"),
            (8, result) => assert_eq!(result, Err(Failure::Panicked)),
            (_, result) => assert_eq!(result, Ok(())),
        }
    }
    assert_eq!(commits.load(Ordering::SeqCst), 2, "one for the holder, one for all others");
    let expected: Vec<i64> = (0..60).filter(|n| ![7, 8].contains(n)).collect();
    assert_eq!(numbers(&file(&folder)), expected);
}

#[tokio::test]
async fn late_jobs_are_not_run_and_a_full_queue_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&file(&folder), 2).await;
    let release = hold(&writer);
    let deadline = Instant::now() + Duration::from_millis(50);
    let late = writer.run(0, deadline, |connection| insert(connection, 1)).await;
    assert_eq!(late, Err(Failure::Deadline));
    let (answer, second) = mpsc::channel();
    let done = move |result: Result<(), Failure>| answer.send(result).unwrap();
    writer.submit(0, |connection| insert(connection, 2), done).unwrap();
    let over = writer.run(0, soon(), |connection| insert(connection, 3)).await;
    assert_eq!(over, Err(Failure::Overloaded));
    drop(release);
    assert_eq!(second.recv().unwrap(), Ok(()));
    writer.run(0, soon(), |connection| insert(connection, 4)).await.unwrap();
    assert_eq!(numbers(&file(&folder)), [2, 4]);
}

#[tokio::test]
async fn a_failed_start_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no-database");
    std::fs::write(&path, "this is text, and long enough to be read as a header").unwrap();
    let open = move || open_writer(&path, SETTINGS).map(|connection| (connection, ()));
    let result = Writer::start("test-write", 9, open).await;
    assert!(matches!(result.map(|_| ()), Err(Failure::Storage(_))));
}

#[tokio::test]
async fn readers_stop_at_the_deadline_and_survive_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (_writer, _) = writer(&file(&folder), 9).await;
    let connection = open_reader(&file(&folder), SETTINGS).unwrap();
    let readers = Readers::start("test-read", 9, vec![connection]).unwrap();
    let endless =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c";
    let started = Instant::now();
    let deadline = started + Duration::from_millis(100);
    let run = move |connection: &Connection| {
        Ok::<i64, Failure>(connection.query_row(endless, [], |row| row.get(0))?)
    };
    assert_eq!(readers.run(deadline, run).await, Err(Failure::Deadline));
    let panics = readers.run(soon(), |_| -> Result<(), Failure> { panic!("a query that panics") });
    assert_eq!(panics.await, Err(Failure::Panicked));
    let one = readers.run(soon(), |connection| {
        Ok::<i64, Failure>(connection.query_row("SELECT 1", [], |row| row.get(0))?)
    });
    assert_eq!(one.await, Ok(1));
    assert!(started.elapsed() < Duration::from_secs(10), "the endless query was interrupted");
    let write = readers.run(soon(), |connection| insert(connection, 1)).await;
    assert!(matches!(write, Err(Failure::Storage(_))), "readers only read");
}

#[test]
fn a_lock_has_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = FileLock::acquire(&path).unwrap();
    assert!(FileLock::acquire(&path).is_err());
    drop(held);
    FileLock::acquire(&path).unwrap();
}
