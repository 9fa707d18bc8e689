//! A host killed between any two steps of a commit: all of it happens or nothing, once, with its
//! event, and nothing is left behind.
//!
//! The process that dies is this test binary again, running the ignored test `child`, which aborts
//! at its n-th stop. Each kind of deciding write is killed at every stop there is.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::commits::{commit, committed, config, effects, open, raw, seed, settled};
use pingtalk_capabilities::{
    TenantId,
    documents::{DocumentStore, Outcome},
};
use pingtalk_contract::{servers::mongodb, tenant};
use pingtalk_documents_mongodb::{Fault, MongoDocuments};

const CHILD: &str = "PINGTALK_CRASH_TEST";
/// More than any of the commits has.
const MAX_STOPS: usize = 60;

/// Commits, and dies at a stop.
#[tokio::test]
#[ignore = "the process that the other tests kill"]
async fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let [tenant, kind, stop] = order.split(' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
    let stop: usize = stop.parse().unwrap();
    let stops = Arc::new(AtomicUsize::new(0));
    let fault: Fault = Arc::new(move |_| {
        if stops.fetch_add(1, Ordering::SeqCst) + 1 == stop {
            std::process::abort();
        }
        Box::pin(std::future::ready(()))
    });
    let backend = MongoDocuments::with_faults(config(&mongodb()), fault).unwrap();
    let store = open(&*backend, &TenantId::new(tenant).unwrap()).await;
    committed(&store, &commit("the-commit", kind)).await;
    // The background cleans up after the commit, and may be killed at that, too.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// True when the child came through without reaching the stop.
async fn run_child(tenant: &TenantId, kind: &str, stop: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "crash::child", "--ignored"])
        .env(CHILD, format!("{tenant} {kind} {stop}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    tokio::task::spawn_blocking(move || child.status().unwrap().success()).await.unwrap()
}

async fn event_ids(store: &DocumentStore) -> Vec<String> {
    let found = store.outbox.unpublished(99).await.unwrap();
    found.into_iter().map(|it| it.event.id).collect()
}

/// Waits for events that this host has to take over first.
async fn adopted(store: &DocumentStore) -> Vec<String> {
    let wait = async {
        loop {
            let ids = event_ids(store).await;
            if !ids.is_empty() {
                return ids;
            }
            store.outbox.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("taken over")
}

/// Kills a commit at one stop after another until it comes through; returns how many there were.
async fn killed_everywhere(kind: &str) {
    let uri = mongodb();
    let (mut decided, mut undecided) = (0, 0);
    for stop in 1..MAX_STOPS {
        let tenant = tenant();
        let database = raw(&uri, &tenant).await;
        // Made by a store, so that the killed one meets its indexes.
        let backend = MongoDocuments::new(config(&uri)).unwrap();
        let store = open(&*backend, &tenant).await;
        seed(&database).await;
        let through = run_child(&tenant, kind, stop).await;
        let label = format!("{kind}, stop {stop}");
        settled(&database).await;
        let before = effects(&database, kind).await;
        let all = before.iter().all(|it| *it == 1);
        assert!(all || before.iter().all(|it| *it == 0), "{label}: {before:?}");
        let events = if all {
            decided += 1;
            adopted(&store).await
        } else {
            undecided += 1;
            event_ids(&store).await
        };
        assert_eq!(events.len(), usize::from(all), "{label}: an event exactly if decided");
        // The caller who heard nothing tries again, twice.
        let first = committed(&store, &commit("the-commit", kind)).await;
        let second = committed(&store, &commit("the-commit", kind)).await;
        assert_eq!(first, second, "{label}");
        // Of deleting every match, the last write, recovery counts what it still finds.
        let exact = &first[..first.len() - 1];
        assert!(
            exact.iter().all(|it| !matches!(it, Outcome::Unmatched | Outcome::Conflicted)),
            "{label}: {first:?}"
        );
        let after = effects(&database, kind).await;
        assert!(after.iter().all(|it| *it == 1), "{label}: {after:?}");
        let now = event_ids(&store).await;
        assert_eq!(now.len(), 1, "{label}");
        assert!(!all || now == events, "{label}: the event keeps its id");
        settled(&database).await;
        database.drop().await.unwrap();
        if through {
            assert!(decided > 8 && undecided >= 2, "{decided} decided, {undecided} not");
            return;
        }
    }
    panic!("{kind}: never came through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insert_survives_a_kill_at_any_step() {
    killed_everywhere("insert").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numbered_insert_survives_a_kill_at_any_step() {
    killed_everywhere("numbered").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_survives_a_kill_at_any_step() {
    killed_everywhere("update").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upsert_survives_a_kill_at_any_step() {
    killed_everywhere("upsert").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_survives_a_kill_at_any_step() {
    killed_everywhere("delete").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_all_survives_a_kill_at_any_step() {
    killed_everywhere("delete-all").await;
}
