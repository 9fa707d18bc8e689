//! One tenant's open store: its databases, and what the host's commits share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bson::{Bson, Document, doc, oid::ObjectId};
use bytes::Bytes;
use pingtalk_capabilities::documents::{DocumentError, Index, Outcome};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc},
    task::JoinHandle,
};

use crate::{
    clean::Chore,
    config::Pace,
    database::{Database, Find},
    fault::Faults,
    index,
    plan::undeclared,
    record::{self, COLLECTION, Done, Record, Remembered},
    write::Place,
};

/// How long a commit is remembered: a day.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Commits that may wait for being cleaned up; beyond, the slow look finds them.
const MAX_CHORES: usize = 1_024;

pub(crate) struct Store {
    /// By the manifest's names.
    databases: RwLock<HashMap<String, Database>>,
    /// Names this process among the hosts, for who publishes what.
    pub(crate) host: String,
    order: AtomicI64,
    /// Wakes the relay.
    pub(crate) events: Notify,
    flights: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
    pub(crate) chores: mpsc::Sender<Chore>,
    pub(crate) pace: Pace,
    pub(crate) faults: Faults,
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl Store {
    pub(crate) fn new(pace: Pace, faults: Faults) -> Arc<Self> {
        let (chores, waiting) = mpsc::channel(MAX_CHORES);
        let store = Arc::new(Self {
            databases: RwLock::default(),
            host: ObjectId::new().to_hex(),
            order: AtomicI64::new(0),
            events: Notify::new(),
            flights: Mutex::default(),
            chores,
            pace,
            faults,
            background: Mutex::default(),
        });
        let tasks = vec![
            tokio::spawn(crate::clean::run(Arc::downgrade(&store), waiting)),
            tokio::spawn(crate::recover::run(Arc::downgrade(&store))),
        ];
        *store.background.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        store
    }

    /// Adds a database and prepares the place of its records.
    pub(crate) async fn add(
        &self,
        name: &str,
        database: Database,
        deadline: Instant,
    ) -> Result<Database, DocumentError> {
        if let Ok(known) = self.database(name) {
            return Ok(known);
        }
        for field in ["state", "order", "at"] {
            let sparse = field != "at";
            let index = Index { fields: vec![field.to_owned()], unique: false, sparse };
            index::create_index(&database, COLLECTION, &index, field, deadline).await?;
        }
        let mut databases = self.databases.write().unwrap_or_else(PoisonError::into_inner);
        databases.insert(name.to_owned(), database.clone());
        Ok(database)
    }

    pub(crate) fn database(&self, name: &str) -> Result<Database, DocumentError> {
        let databases = self.databases.read().unwrap_or_else(PoisonError::into_inner);
        databases.get(name).cloned().ok_or_else(|| undeclared(name, "*"))
    }

    /// All databases, each once although several names may lead to it.
    pub(crate) fn databases(&self) -> Vec<(String, Database)> {
        let databases = self.databases.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(String, Database)> = Vec::new();
        for (name, database) in &*databases {
            if !all.iter().any(|(_, known)| known.same(database)) {
                all.push((name.clone(), database.clone()));
            }
        }
        all
    }

    /// A number greater than all before: microseconds since the epoch where the clock allows.
    pub(crate) fn next_order(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let next = |last: i64| Some(now.max(last.saturating_add(1)));
        match self.order.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => now.max(last.saturating_add(1)),
        }
    }

    /// One at a time for each commit id: repetitions on this host wait for the first.
    pub(crate) fn flight(&self, id: &str) -> Arc<AsyncMutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(id).and_then(Weak::upgrade) {
            return flight;
        }
        // Those that are over, once there are many: then a look at all of them is paid for.
        if flights.len() >= 1_024 && flights.len().is_power_of_two() {
            flights.retain(|_, flight| flight.strong_count() > 0);
        }
        let flight = Arc::new(AsyncMutex::new(()));
        flights.insert(id.to_owned(), Arc::downgrade(&flight));
        flight
    }

    /// True while a commit of this host is under way.
    pub(crate) fn flies(&self, id: &str) -> bool {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.get(id).is_some_and(|flight| flight.strong_count() > 0)
    }

    /// A flight that is over needs no entry.
    pub(crate) fn landed(&self, id: &str, flight: Arc<AsyncMutex<()>>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        drop(flight);
        if flights.get(id).is_some_and(|flight| flight.strong_count() == 0) {
            flights.remove(id);
        }
    }

    /// The record of a commit.
    pub(crate) async fn record(
        &self,
        database: &Database,
        id: &str,
        deadline: Instant,
    ) -> Result<Option<Record>, DocumentError> {
        let find = Find { filter: doc! {"_id": id}, limit: 1, ..Find::default() };
        let found = database.find(COLLECTION, find, usize::MAX, deadline).await?;
        found.first().map(|bytes| record::parse(bytes)).transpose()
    }

    /// Changes a record that is still held by this holder. False when it is not.
    pub(crate) async fn change_record(
        &self,
        database: &Database,
        id: &str,
        holder: ObjectId,
        change: Document,
        deadline: Instant,
    ) -> Result<bool, DocumentError> {
        let filter = doc! {"_id": id, "holder": holder, "state": record::OPEN};
        let statement = doc! {"q": filter, "u": change};
        Ok(database.update(COLLECTION, vec![statement], deadline).await? > 0)
    }

    /// Forgets a claim that decided nothing. False when somebody else holds it now.
    pub(crate) async fn release(
        &self,
        database: &Database,
        id: &str,
        holder: ObjectId,
        deadline: Instant,
    ) -> Result<bool, DocumentError> {
        let filter = doc! {"_id": id, "holder": holder, "state": record::OPEN};
        Ok(database.delete(COLLECTION, filter, false, deadline).await? > 0)
    }

    /// The outcomes of a finished commit; nothing when that was more than a day ago.
    pub(crate) async fn recall(
        &self,
        done: Done,
        deadline: Instant,
    ) -> Result<Option<Vec<Outcome>>, DocumentError> {
        let age = bson::DateTime::now().timestamp_millis() - done.at.timestamp_millis();
        if age > i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX) {
            return Ok(None);
        }
        let mut outcomes = Vec::with_capacity(done.outcomes.len());
        for outcome in done.outcomes {
            outcomes.push(match outcome {
                Remembered::Outcome(outcome) => outcome,
                Remembered::Large { inserted, database, collection, id } => {
                    let database = self.database(&database)?;
                    let place = Place { database: &database, collection: &collection, deadline };
                    let document = match place.by_id(&id).await? {
                        Some(document) => document,
                        None => only(&id)?,
                    };
                    if inserted { Outcome::Inserted(document) } else { Outcome::Updated(document) }
                }
            });
        }
        Ok(Some(outcomes))
    }

    /// Forgets some of the commits that are older than a day.
    pub(crate) async fn prune(
        &self,
        database: &Database,
        deadline: Instant,
    ) -> Result<(), DocumentError> {
        /// Each time, so that a peak's records do not go all at once.
        const PRUNED: u32 = 1_000;
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let before = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - kept);
        let find = Find {
            filter: doc! {
                "at": {"$lt": before}, "state": {"$exists": false}, "order": {"$exists": false},
            },
            sort: doc! {"at": 1},
            projection: doc! {"_id": 1},
            limit: PRUNED,
        };
        let old = database.find(COLLECTION, find, usize::MAX, deadline).await?;
        let ids: Vec<Bson> = old
            .iter()
            .filter_map(|bytes| Document::from_reader(&bytes[..]).ok()?.remove("_id"))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let filter = doc! {"_id": {"$in": ids}, "at": {"$lt": before}};
        database.delete(COLLECTION, filter, true, deadline).await.map(drop)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let tasks = self.background.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in tasks {
            task.abort();
        }
    }
}

/// A document of nothing but its `_id`.
fn only(id: &Bson) -> Result<Bytes, DocumentError> {
    let bytes = doc! {"_id": id.clone()}.to_vec();
    Ok(bytes.map_err(|_| crate::error::damaged("`_id`"))?.into())
}
