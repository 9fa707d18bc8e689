//! The slow look: what other hosts, or an earlier life of this one, left unfinished.
//!
//! Every few seconds a store reads the open records of its databases, of which there are normally
//! none. What is unchanged for long enough by this host's own clock is taken over: an unfinished
//! commit is finished, or forgotten if it never decided anything; markers are cleaned up; waiting
//! events get a new host. Several hosts may look at once: taking over is a compare-and-set, and
//! every step may be made twice.

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use bson::{Bson, Document, doc};
use pingtalk_capabilities::documents::DocumentError;

use crate::{
    clean::{Chore, clean},
    commit::take_over,
    database::{Database, Find},
    error::damaged,
    follow::follow,
    plan::Act,
    record::{self, COLLECTION, Claim, DONE, OPEN, Record, Touched},
    step::{decided, lost, make},
    store::Store,
    write::Made,
};

/// Records looked at each time, of each kind.
const LOOKED_AT: u32 = 200;
/// Bytes of records looked at each time.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// How long a look at one database may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen, and since when it has been like that.
#[derive(Default)]
struct Seen(HashMap<String, (Instant, bool)>);

impl Seen {
    /// For how long this has been seen without a break. `what` names its state, so that a change
    /// starts anew.
    fn since(&mut self, what: String) -> Duration {
        let now = Instant::now();
        let (since, fresh) = self.0.entry(what).or_insert((now, true));
        *fresh = true;
        now.saturating_duration_since(*since)
    }

    /// Forgets what was not seen in the last look.
    fn turn(&mut self) {
        self.0.retain(|_, (_, fresh)| std::mem::take(fresh));
    }
}

/// Looks until the store is gone.
pub(crate) async fn run(store: Weak<Store>) {
    let mut seen = Seen::default();
    loop {
        let Some(strong) = store.upgrade() else { return };
        let pace = strong.pace;
        let mut complete = true;
        for (name, database) in strong.databases() {
            if let Err(error) = look(&strong, &name, &database, &mut seen).await {
                tracing::debug!(%error, database = name, "could not look for unfinished commits");
                complete = false;
            }
        }
        // A database that could not be read says nothing about what is in it.
        if complete {
            seen.turn();
        }
        drop(strong);
        tokio::time::sleep(pace.look).await;
    }
}

async fn look(
    store: &Store,
    name: &str,
    database: &Database,
    seen: &mut Seen,
) -> Result<(), DocumentError> {
    let deadline = Instant::now() + PATIENCE;
    for bytes in find(database, doc! {"state": OPEN}, doc! {}, deadline).await? {
        // One record that can't be read or finished must not keep the others waiting.
        let claim = match record::parse(&bytes) {
            Ok(Record::Open(claim)) => claim,
            Ok(Record::Done(_)) => continue,
            Err(error) => {
                tracing::warn!(%error, database = name, "left an unfinished commit alone");
                continue;
            }
        };
        let age = seen.since(format!("open {name} {} {}", claim.id, claim.holder));
        if store.flies(&claim.id) || age < store.pace.abandoned {
            continue;
        }
        let id = claim.id.clone();
        if let Err(error) = finish(store, database, *claim, age, deadline).await {
            tracing::warn!(%error, commit = id, "could not finish an interrupted commit yet");
        }
    }
    let projection = doc! {"touched": 1, "holder": 1};
    for bytes in find(database, doc! {"state": DONE}, projection, deadline).await? {
        let Some(chore) = chore(name, &bytes) else { continue };
        if seen.since(format!("done {name} {}", chore.id)) >= store.pace.settled {
            clean(store, &[chore]).await?;
        }
    }
    adopt(store, name, database, seen, deadline).await?;
    store.prune(database, deadline).await
}

async fn find(
    database: &Database,
    filter: Document,
    projection: Document,
    deadline: Instant,
) -> Result<Vec<bytes::Bytes>, DocumentError> {
    let find = Find { filter, projection, limit: LOOKED_AT, ..Find::default() };
    database.find(COLLECTION, find, MAX_BYTES, deadline).await
}

/// Finishes an abandoned commit that was decided, forgets one that was not.
async fn finish(
    store: &Store,
    database: &Database,
    claim: Claim,
    age: Duration,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let Some(outcome) = decided(store, &claim, deadline).await? else {
        // Whoever claimed it may have sent the deciding write just now, but not for ever.
        if age >= store.pace.settled {
            store.release(database, &claim.id, claim.holder, deadline).await?;
        }
        return Ok(());
    };
    let Some(mut claim) = take_over(store, claim, deadline).await? else { return Ok(()) };
    store.faults.after("take over").await;
    // A deletion that is decided may not be carried out yet.
    let outcome = match claim.first.act {
        Act::Insert { .. } | Act::Update { .. } => outcome,
        Act::Delete { .. } | Act::DeleteAll { .. } => {
            match make(store, &mut claim, 0, deadline).await? {
                Made::Outcome(outcome) => outcome,
                Made::Moved | Made::Conflict(_) => return Err(lost()),
            }
        }
    };
    let id = claim.id.clone();
    follow(store, claim, outcome, Instant::now() + store.pace.attempt()).await?;
    tracing::info!(commit = id, "finished a commit that was interrupted");
    Ok(())
}

fn chore(database: &str, bytes: &[u8]) -> Option<Chore> {
    let record = Document::from_reader(bytes).ok()?;
    Some(Chore {
        database: database.to_owned(),
        id: record.get_str("_id").ok()?.to_owned(),
        touched: record
            .get_array("touched")
            .ok()?
            .iter()
            .map(Touched::parse)
            .collect::<Option<_>>()?,
    })
}

/// Takes over events that their host does not publish.
async fn adopt(
    store: &Store,
    name: &str,
    database: &Database,
    seen: &mut Seen,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let find = Find {
        filter: doc! {"order": {"$gt": 0}, "host": {"$ne": &store.host}},
        sort: doc! {"order": 1},
        projection: doc! {"host": 1},
        limit: LOOKED_AT,
    };
    let mut orphans: HashMap<String, Vec<Bson>> = HashMap::new();
    for bytes in database.find(COLLECTION, find, MAX_BYTES, deadline).await? {
        let mut record = Document::from_reader(&bytes[..]).map_err(|_| damaged("outbox"))?;
        let (Some(id), Ok(host)) = (record.remove("_id"), record.get_str("host")) else { continue };
        if seen.since(format!("events {name} {id} {host}")) >= store.pace.orphaned {
            orphans.entry(host.to_owned()).or_default().push(id);
        }
    }
    for (host, ids) in orphans {
        let statement = doc! {
            "q": {"_id": {"$in": ids}, "host": host, "order": {"$gt": 0}},
            "u": {"$set": {"host": &store.host}},
            "multi": true,
        };
        if database.update(COLLECTION, vec![statement], deadline).await? > 0 {
            store.events.notify_one();
        }
    }
    Ok(())
}
