//! What this backend promises beyond the contract: nothing acknowledged is lost to a SIGKILL, what
//! was in flight returns, and what was settled does not.
//!
//! The process that is killed is this test binary again, running the ignored test `child`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    events::{Disposition, Event, EventError, Events, Queue, Retry},
};
use pingtalk_events_sqlite::{Config, SqliteEvents};

const FOLDER: &str = "PINGTALK_KILL_TEST_FOLDER";

async fn open_with(config: Config, retry: Retry) -> Arc<dyn Events> {
    let queue = Queue { name: "q".to_owned(), topics: vec!["t".to_owned()], retry };
    SqliteEvents::new(config).open(&TenantId::default_tenant(), &[queue]).await.unwrap()
}

async fn open(folder: &Path) -> Arc<dyn Events> {
    open_with(Config::new(folder), Retry::default()).await
}

fn event(id: &str, bytes: usize) -> Event {
    Event {
        id: id.to_owned(),
        topic: "t".to_owned(),
        payload: Bytes::from(vec![b'x'; bytes]),
        attempt: 0,
        published_at: 1,
    }
}

/// What waits, in the order of delivery, settled along the way.
async fn drain(events: &Arc<dyn Events>) -> Vec<String> {
    let mut seen = Vec::new();
    while events.depth("q").await.unwrap() > 0 {
        let delivery = events.next("q").await.unwrap();
        seen.push(delivery.event().id.clone());
        delivery.settle(Disposition::Done).await.unwrap();
    }
    seen
}

#[tokio::test]
async fn what_was_in_flight_returns_and_what_was_settled_does_not() {
    let folder = tempfile::tempdir().unwrap();
    {
        let events = open(folder.path()).await;
        events.publish((0..6).map(|at| event(&format!("{at}"), 9)).collect()).await.unwrap();
        let done = events.next("q").await.unwrap();
        let retried = events.next("q").await.unwrap();
        let buried = events.next("q").await.unwrap();
        let _in_flight = events.next("q").await.unwrap();
        done.settle(Disposition::Done).await.unwrap();
        retried.settle(Disposition::Retry("later".to_owned())).await.unwrap();
        buried.settle(Disposition::Reject("never".to_owned())).await.unwrap();
    }
    let events = open(folder.path()).await;
    events.publish(vec![event("0", 9), event("2", 9), event("3", 9)]).await.unwrap();
    let dead = events.dead_letters("q", 9).await.unwrap();
    assert_eq!((dead.len(), dead[0].event.id.as_str(), dead[0].reason.as_str()), (1, "2", "never"));
    let mut attempts = Vec::new();
    for _ in 0..4 {
        let delivery = events.next("q").await.unwrap();
        attempts.push((delivery.event().id.clone(), delivery.event().attempt));
        delivery.settle(Disposition::Done).await.unwrap();
    }
    attempts.sort();
    let expected = [("1", 2), ("3", 1), ("4", 1), ("5", 1)];
    assert_eq!(attempts, expected.map(|(id, attempt)| (id.to_owned(), attempt)));
    assert!(drain(&events).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_consuming_helps() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 2 * 1024 * 1024, ..Config::new(folder.path()) };
    let events = open_with(config, Retry::default()).await;
    let mut published = 0;
    let error = loop {
        match events.publish(vec![event(&format!("{published}"), 200_000)]).await {
            Ok(()) => published += 1,
            Err(error) => break error,
        }
        assert!(published < 50, "the limit did not hold");
    };
    assert!(matches!(error, EventError::Unavailable(_)), "{error:?}");
    assert_eq!(drain(&events).await.len(), published);
    events.publish(vec![event("more", 200_000)]).await.unwrap();
    assert_eq!(drain(&events).await, ["more"]);
}

#[tokio::test]
async fn an_event_that_can_not_be_settled_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_waiting: 1, ..Config::new(folder.path()) };
    let events = open_with(config, Retry::default()).await;
    for at in 0..40 {
        events.publish(vec![event(&format!("{at}"), 9)]).await.unwrap();
    }
    let (mut settled, mut refused) = (HashSet::new(), 0);
    while settled.len() < 40 {
        let mut deliveries = Vec::new();
        while let Ok(Ok(delivery)) =
            tokio::time::timeout(Duration::from_millis(50), events.next("q")).await
        {
            deliveries.push(delivery);
        }
        // More at once than may wait: some are refused, and must return.
        let settle = deliveries.into_iter().map(async |delivery| {
            let id = delivery.event().id.clone();
            (id, delivery.settle(Disposition::Done).await)
        });
        for (id, result) in futures_util::future::join_all(settle).await {
            match result {
                Ok(()) => assert!(settled.insert(id.clone()), "{id} twice"),
                Err(error) => {
                    assert!(matches!(error, EventError::Unavailable(_)), "{error:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "nothing was refused");
    assert_eq!(events.depth("q").await, Ok(0));
}

/// Publishes and consumes as fast as it can, and says what was acknowledged.
#[test]
#[ignore = "the process that the other test kills"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let events = open(Path::new(&folder)).await;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let say = |what: &str, id: &str| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n{what} {id}").unwrap();
            out.flush().unwrap();
        };
        let consumer = Arc::clone(&events);
        tokio::spawn(async move {
            loop {
                let delivery = consumer.next("q").await.unwrap();
                let id = delivery.event().id.clone();
                say("try", &id);
                delivery.settle(Disposition::Done).await.unwrap();
                say("end", &id);
            }
        });
        for at in 0.. {
            let ids: Vec<String> = (0..3).map(|part| format!("{started}-{at:06}-{part}")).collect();
            events.publish(ids.iter().map(|id| event(id, 50)).collect()).await.unwrap();
            ids.iter().for_each(|id| say("put", id));
        }
    });
}

#[test]
fn acknowledged_events_survive_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut put, mut tried, mut ended) = (BTreeSet::new(), BTreeSet::new(), HashSet::new());
    for round in 0..5 {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let extra = Duration::from_millis(20 * round + u64::from(nanos / 1_000) % 100);
        for line in run_and_kill(folder.path(), extra) {
            match line.split_once(' ') {
                Some(("put", id)) => drop(put.insert(id.to_owned())),
                Some(("try", id)) => drop(tried.insert(id.to_owned())),
                Some(("end", id)) => assert!(ended.insert(id.to_owned()), "{id} settled twice"),
                _ => {}
            }
        }
    }
    assert!(put.len() > 30 && ended.len() > 5, "too little happened to tell");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rest = runtime.block_on(async { drain(&open(folder.path()).await).await });
    let left: HashSet<&String> = rest.iter().collect();
    assert_eq!(left.len(), rest.len(), "each once");
    assert!(rest.is_sorted(), "in publishing order");
    for id in &put {
        assert!(tried.contains(id) || left.contains(id), "{id} was acknowledged and is lost");
    }
    for id in &rest {
        assert!(!ended.contains(id), "{id} was settled and came again");
    }
}

/// Runs a child until it has written a few lines and for a while more, kills it, and returns the
/// lines it wrote whole.
fn run_and_kill(folder: &Path, extra: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (say, said) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        // The kill may cut the last line.
        while out.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            say.send(line.trim_end().to_owned()).unwrap();
            line.clear();
        }
    });
    let patience = Duration::from_secs(30);
    let mut lines: Vec<String> =
        (0..60).map(|_| said.recv_timeout(patience).expect("lines")).collect();
    std::thread::sleep(extra);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    lines.extend(said);
    lines
}
