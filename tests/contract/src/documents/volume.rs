//! How much a store says it holds.

use std::{sync::Arc, time::Duration};

use bson::doc;
use pingtalk_capabilities::{documents::DocumentsBackend, storage::Stored};

use super::fixture::{Fixture, INDEXED, PLAIN, by_id, insert, open, write};
use pingtalk_capabilities::documents::Operation;

/// A store's own statistics may lag behind: longest time for that.
const LAG: Duration = Duration::from_secs(10);

/// Waits for a count that satisfies.
async fn until(store: &Fixture, what: &str, holds: impl Fn(&Stored) -> bool) -> Stored {
    let began = std::time::Instant::now();
    loop {
        let stored = store.0.volume.stored().await.unwrap();
        if holds(&stored) {
            return stored;
        }
        assert!(began.elapsed() < LAG, "{what}: {stored:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Documents and bytes grow with what is stored, and documents shrink with what is deleted. What a
/// store needs for itself may be among them.
pub async fn what_is_stored_is_counted(backend: Arc<dyn DocumentsBackend>) {
    let store = open(&backend).await;
    let empty = store.0.volume.stored().await.unwrap();
    for n in 0..4 {
        let document = |i: i32| doc! {"_id": n * 10 + i, "n": i, "text": "x".repeat(20_000)};
        store.commit((0..10).map(|i| insert(PLAIN, &document(i))).collect()).await.unwrap();
    }
    store.commit(vec![insert(INDEXED, &doc! {"n": 1})]).await.unwrap();
    let full = until(&store, "it grows", |stored| {
        stored.documents >= empty.documents + 41 && stored.bytes >= empty.bytes + 400_000
    })
    .await;
    let deletes = (0..40).map(|id| write(PLAIN, Operation::Delete(by_id(id)))).collect();
    store.commit(deletes).await.unwrap();
    // Finishing the commits may leave a few records.
    until(&store, "it shrinks", |stored| stored.documents <= full.documents - 30).await;
}
