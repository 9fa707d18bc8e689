//! What follows a decision: the later writes, the record, and giving way to whoever took over.
//!
//! Nothing here can refuse the commit any more. A write that can't be made is left out and says so;
//! everything else is made again until it is done, here or by whoever takes the commit over.

use std::time::Instant;

use bson::{Bson, doc};
use pingtalk_capabilities::documents::{Document, DocumentError, Outcome};

use crate::{
    commit::leave_to_cleaner,
    plan::Act,
    record::{COLLECTION, Claim, Record},
    step::{choose, lost, make, note, touched},
    store::Store,
    write::{self, Made, Place},
};

/// Most times a later write looks for another document because its own changed.
const MAX_CHOICES: usize = 16;

/// Makes the later writes, records the commit, and leaves the cleaning to the background.
pub(crate) async fn follow(
    store: &Store,
    mut claim: Claim,
    first: Outcome,
    deadline: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    let mut outcomes = vec![first];
    while outcomes.len() <= claim.later.len() {
        let at = outcomes.len();
        let inserted = insert_together(store, &claim, at, deadline).await?;
        for (at, inserted) in (at..).zip(inserted) {
            outcomes.push(match inserted {
                Some(outcome) => outcome,
                None => leave_out(later(store, &mut claim, at, deadline).await, at)?,
            });
        }
        store.faults.after("later").await;
    }
    record(store, claim, outcomes, deadline).await
}

/// The first write has decided; a change that can't be made to this document, such as adding to a
/// text, is left out like one that matches nothing.
fn leave_out(made: Result<Outcome, DocumentError>, at: usize) -> Result<Outcome, DocumentError> {
    match made {
        Err(DocumentError::Invalid(reason)) => {
            tracing::warn!(%reason, at, "a later write of a commit was left out");
            Ok(Outcome::Unmatched)
        }
        other => other,
    }
}

/// Makes the inserts from here on that go to one collection in one round trip, and says which were
/// made. What was refused, perhaps because it was made before, and any other write, which stands
/// alone, is for [`later`].
async fn insert_together(
    store: &Store,
    claim: &Claim,
    at: usize,
    deadline: Instant,
) -> Result<Vec<Option<Outcome>>, DocumentError> {
    let Some(first) = claim.step(at) else { return Ok(vec![None]) };
    let mut documents = Vec::new();
    for step in claim.later.iter().skip(at.saturating_sub(1)) {
        let Act::Insert { document, sequence: None } = &step.act else { break };
        if step.database != first.database || step.collection != first.collection {
            break;
        }
        documents.push(document);
    }
    if documents.len() < 2 {
        return Ok(vec![None]);
    }
    let marked = (at..)
        .zip(&documents)
        .map(|(at, document)| write::marked(document, &claim.marker(at)))
        .collect::<Result<Vec<_>, _>>()?;
    let database = store.database(&first.database)?;
    let refused = database.insert_all(&first.collection, &marked, deadline).await?;
    let outcome = |(at, document): (usize, &Document)| {
        (!refused.contains(&at)).then(|| Outcome::Inserted(document.clone()))
    };
    Ok(documents.into_iter().enumerate().map(outcome).collect())
}

async fn later(
    store: &Store,
    claim: &mut Claim,
    at: usize,
    deadline: Instant,
) -> Result<Outcome, DocumentError> {
    for _ in 0..MAX_CHOICES {
        let Some(step) = claim.step(at) else { return Err(lost()) };
        if let Act::DeleteAll { filter } = &step.act {
            let database = store.database(&step.database)?;
            let place = Place { database: &database, collection: &step.collection, deadline };
            let count = write::delete_all(place, filter, claim.markers_after(at)).await?;
            return Ok(if count == 0 { Outcome::Unmatched } else { Outcome::Deleted(count) });
        }
        let named = step.filter().is_none_or(|(_, named)| named);
        if step.pin.is_none() && !rechoose(store, claim, at, deadline).await? {
            return Ok(Outcome::Unmatched);
        }
        let absent = claim.step(at).is_some_and(|step| step.absent);
        match make(store, claim, at, deadline).await? {
            Made::Outcome(outcome) => return Ok(outcome),
            Made::Moved if named => return Ok(Outcome::Unmatched),
            // Another upsert was faster; then its document is there to be changed.
            Made::Conflict(_) if named || !absent => return Ok(Outcome::Conflicted),
            Made::Conflict(_) => {
                if !rechoose(store, claim, at, deadline).await?
                    || claim.step(at).is_some_and(|step| step.absent)
                {
                    return Ok(Outcome::Conflicted);
                }
            }
            Made::Moved => {
                if !rechoose(store, claim, at, deadline).await? {
                    return Ok(Outcome::Unmatched);
                }
            }
        }
    }
    Ok(Outcome::Unmatched)
}

/// Chooses another document for a later write, and notes it before anything is done to it. False
/// when nothing matches.
async fn rechoose(
    store: &Store,
    claim: &mut Claim,
    at: usize,
    deadline: Instant,
) -> Result<bool, DocumentError> {
    let Some(mut step) = claim.step(at).cloned() else { return Ok(false) };
    choose(store, &mut step, deadline).await?;
    let Some(pin) = step.pin.clone() else { return Ok(false) };
    let change = doc! {"$set": {
        claim.path(at, "pin"): pin, claim.path(at, "absent"): Bson::Boolean(step.absent),
    }};
    note(store, claim, change, deadline).await?;
    store.faults.after("choose").await;
    if let Some(own) = claim.step_mut(at) {
        *own = step;
    }
    Ok(true)
}

/// Turns the claim into the memory of the commit, with its events waiting there.
async fn record(
    store: &Store,
    claim: Claim,
    outcomes: Vec<Outcome>,
    deadline: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    let database = store.database(&claim.first.database)?;
    let touched = touched(&claim, &outcomes);
    for _ in 0..2 {
        let finished = claim.finished(&outcomes, &touched, &store.host, store.next_order());
        if store.change_record(&database, &claim.id, claim.holder, finished, deadline).await? {
            store.faults.after("record").await;
            if !claim.events.is_empty() {
                store.events.notify_one();
            }
            remove_condemned(store, &claim, deadline).await?;
            store.faults.after("answer").await;
            leave_to_cleaner(store, &claim, touched);
            return Ok(outcomes);
        }
        match store.record(&database, &claim.id, deadline).await? {
            // Forgotten as undecided by somebody who looked before the decision; it is decided.
            None => match database.insert(COLLECTION, &claim.encode()?, deadline).await {
                Ok(()) | Err(DocumentError::Conflict(_)) => {}
                Err(error) => return Err(error),
            },
            Some(Record::Done(done)) => {
                remove_condemned(store, &claim, deadline).await?;
                return store.recall(done, deadline).await?.ok_or_else(lost);
            }
            Some(Record::Open(_)) => return Err(lost()),
        }
    }
    Err(lost())
}

/// Takes away the documents this commit deletes, before the caller hears of it: their unique keys
/// are free then. A crash before this leaves it to recovery; nobody sees them in between.
async fn remove_condemned(
    store: &Store,
    claim: &Claim,
    deadline: Instant,
) -> Result<(), DocumentError> {
    for at in 0..=claim.later.len() {
        let Some(step) = claim.step(at) else { continue };
        let (Act::Delete { .. }, Some(pin)) = (&step.act, &step.pin) else { continue };
        if !claim.reuses(at) {
            let database = store.database(&step.database)?;
            let place = Place { database: &database, collection: &step.collection, deadline };
            write::remove(place, pin, &claim.marker(at)).await?;
        }
    }
    Ok(())
}
