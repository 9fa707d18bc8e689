//! Commits on single documents: claim, decide, follow, record. Why it is made of these steps, and
//! what is left behind where it is interrupted, is told in
//! `docs/decisions/0009-commits-on-single-documents.md`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Bson, doc, oid::ObjectId, raw::RawDocument};
use bytes::Bytes;
use futures_util::future::try_join_all;
use pingtalk_capabilities::documents::{DocumentError, Outcome};

use crate::{
    clean::Chore,
    database::{Database, Modify},
    error::damaged,
    follow::follow,
    plan::{Act, Plan, Step, led_by},
    record::{self, COLLECTION, Claim, OPEN, Record, Touched},
    step::{choose, make},
    store::Store,
    write::Made,
};

/// Most times the deciding write is tried anew because its document changed under it.
const MAX_ROUNDS: usize = 32;

/// Makes a commit, or finds that it was made before. It goes on when the caller stops waiting, so
/// that a commit that was decided is not left to others without need.
pub(crate) async fn commit(
    store: &Arc<Store>,
    plan: Plan,
    deadline: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    if deadline <= Instant::now() {
        return Err(DocumentError::DeadlineExceeded);
    }
    let task = {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let flight = store.flight(&plan.id);
            let id = plan.id.clone();
            let result = {
                let Ok(_turn) = tokio::time::timeout_at(deadline.into(), flight.lock()).await
                else {
                    return Err(DocumentError::DeadlineExceeded);
                };
                attempt(&store, plan, deadline).await
            };
            store.landed(&id, flight);
            result
        })
    };
    match tokio::time::timeout_at((deadline + Duration::from_millis(500)).into(), task).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(DocumentError::Unavailable("the commit's task ended".to_owned())),
        Err(_) => Err(DocumentError::DeadlineExceeded),
    }
}

async fn attempt(
    store: &Store,
    plan: Plan,
    deadline: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    let end = Instant::now() + store.pace.attempt();
    let deadline = deadline.min(end);
    let database = store.database(&plan.first.database)?;
    for _ in 0..MAX_ROUNDS {
        let mut claim = Claim::new(plan.clone());
        pin(store, &mut claim, deadline).await?;
        store.faults.after("pin").await;
        if claim.first.pin.is_none() {
            // Nothing to decide about. Unless it was done before, when there was.
            return match store.record(&database, &claim.id, deadline).await? {
                None => Err(DocumentError::Unmatched),
                Some(Record::Done(done)) => {
                    store.recall(done, deadline).await?.ok_or(DocumentError::Unmatched)
                }
                Some(Record::Open(open)) => match take_over(store, *open, deadline).await? {
                    Some(open) => resume(store, open, &plan, deadline, end).await,
                    None => continue,
                },
            };
        }
        match database.insert(COLLECTION, &claim.encode()?, deadline).await {
            Ok(()) => {}
            Err(DocumentError::Conflict(_)) => {
                match store.record(&database, &claim.id, deadline).await? {
                    None => continue,
                    Some(Record::Done(done)) => {
                        if let Some(outcomes) = store.recall(done, deadline).await? {
                            return Ok(outcomes);
                        }
                        forget(&database, &claim.id, deadline).await?;
                        continue;
                    }
                    Some(Record::Open(open)) => {
                        let Some(open) = take_over(store, *open, deadline).await? else { continue };
                        claim = open;
                        bring_document(&mut claim, &plan)?;
                    }
                }
            }
            Err(error) => return Err(error),
        }
        store.faults.after("claim").await;
        match decide(store, &mut claim, deadline).await {
            Ok(Made::Outcome(outcome)) => return follow(store, claim, outcome, end).await,
            Ok(refused) => {
                store.release(&database, &claim.id, claim.holder, deadline).await?;
                match refused {
                    Made::Conflict(index)
                        if !may_match_now(store, &plan.first, deadline).await? =>
                    {
                        return Err(DocumentError::Conflict(index));
                    }
                    Made::Moved if names_its_document(&plan.first) => {
                        return Err(DocumentError::Unmatched);
                    }
                    _ => {}
                }
            }
            // Nothing was changed, and never will be.
            Err(error @ DocumentError::Invalid(_)) => {
                store.release(&database, &claim.id, claim.holder, deadline).await?;
                return Err(error);
            }
            // It may have happened: the claim stays, for a repetition or for recovery.
            Err(error) => return Err(error),
        }
    }
    Err(DocumentError::Unavailable("too many writers of the same document".to_owned()))
}

/// Chooses the documents of all writes whose filters don't name one, at once.
async fn pin(store: &Store, claim: &mut Claim, deadline: Instant) -> Result<(), DocumentError> {
    // Deleting every match is about no single document, unless it decides.
    let later = claim.later.iter_mut().filter(|step| !matches!(step.act, Act::DeleteAll { .. }));
    let unpinned = std::iter::once(&mut claim.first).chain(later).filter(|step| step.pin.is_none());
    try_join_all(unpinned.map(|step| choose(store, step, deadline))).await.map(drop)
}

fn names_its_document(step: &Step) -> bool {
    step.filter().is_none_or(|(_, named)| named)
}

/// An upsert that lost against another finds its document now.
async fn may_match_now(
    store: &Store,
    step: &Step,
    deadline: Instant,
) -> Result<bool, DocumentError> {
    if !matches!(&step.act, Act::Update { upsert: Some(_), named: false, .. }) {
        return Ok(false);
    }
    let mut step = step.clone();
    choose(store, &mut step, deadline).await?;
    Ok(!step.absent)
}

/// Removes a record older than a day.
async fn forget(database: &Database, id: &str, deadline: Instant) -> Result<(), DocumentError> {
    let filter = doc! {"_id": id, "state": {"$exists": false}, "order": {"$exists": false}};
    if database.delete(COLLECTION, filter, false, deadline).await? == 0 {
        return Err(DocumentError::Unavailable("an old commit of this id is not over".to_owned()));
    }
    Ok(())
}

/// Becomes the holder of an unfinished commit; none when somebody else was faster. What the earlier
/// holder noted until the moment it changed hands counts, so the record is read in that moment.
pub(crate) async fn take_over(
    store: &Store,
    claim: Claim,
    deadline: Instant,
) -> Result<Option<Claim>, DocumentError> {
    let database = store.database(&claim.first.database)?;
    let modify = Modify {
        filter: doc! {"_id": &claim.id, "holder": claim.holder, "state": OPEN},
        update: doc! {"$set": {"holder": ObjectId::new(), "moved": true}},
        upsert: false,
    };
    let Some(record) = database.modify(COLLECTION, modify, deadline).await? else {
        return Ok(None);
    };
    match record::parse(&record)? {
        Record::Open(claim) => Ok(Some(*claim)),
        Record::Done(_) => Ok(None),
    }
}

/// Goes on with a commit that was claimed before, for a caller who brings it again.
async fn resume(
    store: &Store,
    mut claim: Claim,
    plan: &Plan,
    deadline: Instant,
    end: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    bring_document(&mut claim, plan)?;
    match decide(store, &mut claim, deadline).await? {
        Made::Outcome(outcome) => follow(store, claim, outcome, end).await,
        refused => {
            let database = store.database(&claim.first.database)?;
            store.release(&database, &claim.id, claim.holder, deadline).await?;
            Err(match refused {
                Made::Conflict(index) => DocumentError::Conflict(index),
                _ => DocumentError::Unmatched,
            })
        }
    }
}

/// The record of an insert has its `_id`, the caller its document.
fn bring_document(claim: &mut Claim, plan: &Plan) -> Result<(), DocumentError> {
    let Act::Insert { document, .. } = &plan.first.act else { return Ok(()) };
    let unreadable = || damaged("own document");
    let mut brought = document.clone();
    if claim.first.pin != plan.first.pin {
        // The caller gave no `_id`; it keeps the one made the first time.
        let id = doc! {"_id": claim.first.pin.clone()}.to_vec().map_err(|_| unreadable())?;
        let id = RawDocument::from_bytes(&id).map_err(|_| unreadable())?;
        let id = id.get("_id").ok().flatten().ok_or_else(unreadable)?;
        brought = led_by(id, RawDocument::from_bytes(document).map_err(|_| unreadable())?)?;
    }
    if let Act::Insert { document, .. } = &mut claim.first.act {
        *document = brought;
    }
    Ok(())
}

/// Makes the deciding write, or finds that it was made.
async fn decide(
    store: &Store,
    claim: &mut Claim,
    deadline: Instant,
) -> Result<Made, DocumentError> {
    let made = make(store, claim, 0, deadline).await?;
    store.faults.after("decide").await;
    Ok(made)
}

/// Leaves the removal of markers to the background. A commit that changed hands waits for the slow
/// look: its earlier holder may still be at work, and must find the markers.
pub(crate) fn leave_to_cleaner(store: &Store, claim: &Claim, touched: Vec<Touched>) {
    if !claim.moved && !touched.is_empty() {
        let chore = Chore { database: claim.first.database.clone(), id: claim.id.clone(), touched };
        // Full: the slow look finds it.
        drop(store.chores.try_send(chore));
    }
}

/// An event's id: the same however often the commit is taken up again.
pub(crate) fn event_id(unit: ObjectId, at: usize) -> String {
    format!("{}-{at}", unit.to_hex())
}

/// Bytes of a payload read from a record.
pub(crate) fn payload(value: Option<&Bson>) -> Option<Bytes> {
    match value {
        Some(Bson::Binary(binary)) => Some(Bytes::copy_from_slice(&binary.bytes)),
        _ => None,
    }
}
