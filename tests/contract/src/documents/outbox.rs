//! The outbox: events exactly where there are commits.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bson::doc;
use pingtalk_capabilities::documents::{DocumentError, DocumentsBackend, NewEvent, Unpublished};
use tokio::time::timeout;

use super::fixture::{Fixture, PLAIN, by_id, event, insert, open, set, soon, transaction, update};

async fn commit(store: &Fixture, events: Vec<NewEvent>) {
    let commit = transaction(vec![insert(PLAIN, &doc! {})], events);
    store.0.documents.commit(commit, soon()).await.unwrap();
}

fn payloads(found: &[Unpublished]) -> Vec<&str> {
    found.iter().map(|it| std::str::from_utf8(&it.event.payload).unwrap()).collect()
}

/// Events wait in the order of their commits, whole, until they are said to be published.
pub async fn events_wait_in_commit_order(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    commit(&store, vec![event("a", "1"), event("b", "2")]).await;
    commit(&store, vec![]).await;
    commit(&store, vec![event("a", "3")]).await;
    commit(&store, vec![event("a", "4")]).await;
    let outbox = &store.0.outbox;
    let found = outbox.unpublished(99).await.unwrap();
    assert_eq!(payloads(&found), ["1", "2", "3", "4"]);
    let topics: Vec<_> = found.iter().map(|it| it.event.topic.as_str()).collect();
    assert_eq!(topics, ["a", "b", "a", "a"]);
    assert!(
        found.iter().all(|it| it.event.attempt == 0 && it.event.published_at > 1_700_000_000_000)
    );
    assert_eq!(found.iter().map(|it| &it.event.id).collect::<HashSet<_>>().len(), 4);
    assert_eq!(outbox.unpublished(99).await.unwrap(), found, "reading takes nothing away");
    assert_eq!(outbox.unpublished(2).await.unwrap(), found[..2]);
    outbox.published(vec![found[0].position.clone(), found[2].position.clone()]).await.unwrap();
    assert_eq!(payloads(&outbox.unpublished(99).await.unwrap()), ["2", "4"]);
    outbox.published(found.iter().map(|it| it.position.clone()).collect()).await.unwrap();
    assert!(outbox.unpublished(99).await.unwrap().is_empty());
    commit(&store, vec![event("a", "5")]).await;
    // A confirmation that comes twice, or late, forgets no one else's event.
    outbox.published(found.iter().map(|it| it.position.clone()).collect()).await.unwrap();
    assert_eq!(payloads(&outbox.unpublished(99).await.unwrap()), ["5"]);
}

/// No write, no event.
pub async fn refused_commits_leave_no_events(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    store.insert(PLAIN, &[doc! {"_id": 1}]).await;
    let refused = [
        (insert(PLAIN, &doc! {"_id": 1}), DocumentError::Conflict(String::new())),
        (update(PLAIN, by_id(9), vec![set("a", 1)]), DocumentError::Unmatched),
        (update(PLAIN, by_id(1), vec![set("_id", 2)]), DocumentError::Invalid(String::new())),
    ];
    for (write, expected) in refused {
        let commit = transaction(vec![write], vec![event("a", "never")]);
        let error = store.0.documents.commit(commit, soon()).await.unwrap_err();
        assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected), "{error:?}");
    }
    assert!(store.0.outbox.unpublished(9).await.unwrap().is_empty());
}

/// A relay that reads until there is nothing, then waits for a change, misses no event.
pub async fn a_new_event_wakes_the_relay(backend: Arc<dyn DocumentsBackend>) {
    const EVENTS: usize = 60;
    let store = open(&backend).await;
    let outbox = Arc::clone(&store.0.outbox);
    let relay = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < EVENTS {
            let found = outbox.unpublished(3).await.unwrap();
            if found.is_empty() {
                outbox.changed().await;
                continue;
            }
            seen.extend(payloads(&found).iter().map(|it| it.parse::<usize>().unwrap()));
            outbox.published(found.iter().map(|it| it.position.clone()).collect()).await.unwrap();
        }
        seen
    });
    for at in 0..EVENTS {
        commit(&store, vec![event("a", &at.to_string())]).await;
        if at % 4 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    let seen = timeout(Duration::from_secs(20), relay).await.expect("all woken").unwrap();
    assert_eq!(seen, (0..EVENTS).collect::<Vec<_>>());
}
