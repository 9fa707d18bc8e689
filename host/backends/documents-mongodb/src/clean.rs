//! Cleaning up after commits: their markers leave the documents, documents marked as deleted go.
//!
//! It happens behind the answer and in batches. What a crash leaves is found by the slow look
//! ([`crate::recover`]), so nothing here needs to be tried again.

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use pingtalk_capabilities::documents::DocumentError;
use tokio::sync::mpsc;

use crate::{
    path::{DELETING, MARKERS},
    record::{COLLECTION, DONE, Touched},
    store::Store,
};

/// Commits cleaned up after at once.
const BATCH: usize = 64;
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A commit to clean up after.
#[derive(Debug)]
pub(crate) struct Chore {
    /// Where its record lies.
    pub(crate) database: String,
    pub(crate) id: String,
    pub(crate) touched: Vec<Touched>,
}

/// Cleans up until the store is gone.
pub(crate) async fn run(store: Weak<Store>, mut waiting: mpsc::Receiver<Chore>) {
    let mut chores = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut chores, BATCH).await > 0 {
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = clean(&store, &chores).await {
            tracing::debug!(%error, commits = chores.len(), "markers left for the slow look");
        }
        chores.clear();
    }
}

/// Removes the markers of finished commits and notes that in their records.
pub(crate) async fn clean(store: &Store, chores: &[Chore]) -> Result<(), DocumentError> {
    let deadline = Instant::now() + PATIENCE;
    let mut places: HashMap<(&str, &str), Vec<&Touched>> = HashMap::new();
    for touched in chores.iter().flat_map(|chore| &chore.touched) {
        places.entry((&touched.database, &touched.collection)).or_default().push(touched);
    }
    for ((database, collection), touched) in places {
        // A collection that no release declares any more keeps its markers; they harm nobody.
        let Ok(database) = store.database(database) else { continue };
        let (doomed, kept): (Vec<&Touched>, Vec<&Touched>) =
            touched.into_iter().partition(|touched| touched.deletes);
        if !doomed.is_empty() {
            let any: Vec<Document> = doomed.into_iter().map(condemned).collect();
            database.delete(collection, doc! {"$or": any}, true, deadline).await?;
        }
        if !kept.is_empty() {
            let pulls = kept.iter().map(|touched| pull(touched)).collect();
            database.update(collection, pulls, deadline).await?;
            let empty = kept.iter().map(|touched| empty(touched)).collect();
            database.update(collection, empty, deadline).await?;
        }
    }
    store.faults.after("clean").await;
    let mut records: HashMap<&str, Vec<&str>> = HashMap::new();
    for chore in chores {
        records.entry(&chore.database).or_default().push(&chore.id);
    }
    for (database, ids) in records {
        let statement = doc! {
            "q": {"_id": {"$in": ids}, "state": DONE},
            "u": {"$unset": {"state": "", "touched": ""}},
            "multi": true,
        };
        store.database(database)?.update(COLLECTION, vec![statement], deadline).await?;
    }
    Ok(())
}

fn condemned(touched: &Touched) -> Document {
    doc! {"_id": {"$eq": touched.id.clone()}, DELETING: &touched.marker}
}

fn pull(touched: &Touched) -> Document {
    doc! {
        "q": {"_id": {"$eq": touched.id.clone()}, MARKERS: &touched.marker},
        "u": {"$pull": {MARKERS: &touched.marker}},
    }
}

fn empty(touched: &Touched) -> Document {
    doc! {
        "q": {"_id": {"$eq": touched.id.clone()}, MARKERS: {"$size": 0}},
        "u": {"$unset": {MARKERS: ""}},
    }
}
