//! A commit's writes in their place: chosen, made, found again.
//!
//! What a write does to its document is told in [`crate::write`]; here is what the commit's record
//! has to know of it, and when.

use std::time::Instant;

use bson::{Document, doc};
use pingtalk_capabilities::documents::{DocumentError, Outcome};

use crate::{
    error::damaged,
    plan::{Act, Step},
    record::{Claim, Touched},
    store::Store,
    write::{self, Made, Place},
};

/// Chooses the first match of a write's filter as its document.
pub(crate) async fn choose(
    store: &Store,
    step: &mut Step,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let Some((filter, _)) = step.filter() else { return Ok(()) };
    let database = store.database(&step.database)?;
    let place = Place { database: &database, collection: &step.collection, deadline };
    let found = place.first(filter).await?;
    step.choose(found);
    Ok(())
}

/// Makes a pinned write: 0 is the deciding one.
pub(crate) async fn make(
    store: &Store,
    claim: &mut Claim,
    at: usize,
    deadline: Instant,
) -> Result<Made, DocumentError> {
    let marker = claim.marker(at);
    let Some(step) = claim.step(at) else { return Err(damaged("own claim")) };
    let Some(pin) = step.pin.clone() else { return Ok(Made::Moved) };
    let database = store.database(&step.database)?;
    let collection = step.collection.clone();
    let place = Place { database: &database, collection: &collection, deadline };
    match &step.act {
        Act::Insert { document, sequence } => {
            write::insert(place, document, sequence.as_ref(), &pin, &marker).await
        }
        Act::Update { filter, update, upsert, .. } => {
            let upsert = upsert.as_ref().filter(|_| step.absent);
            write::update(place, write::Update { filter, update, upsert }, &pin, &marker).await
        }
        Act::Delete { filter, .. } => {
            if !step.made {
                let made = write::condemn(place, filter, &pin, &marker).await?;
                if !matches!(made, Made::Outcome(_)) {
                    return Ok(made);
                }
            }
            if claim.reuses(at) {
                remember_made(store, claim, at, deadline).await?;
                write::remove(place, &pin, &marker).await?;
                store.faults.after("remove").await;
            }
            Ok(Made::Outcome(Outcome::Deleted(1)))
        }
        Act::DeleteAll { filter } => {
            let filter = filter.clone();
            if !step.made {
                let made = write::condemn(place, &filter, &pin, &marker).await?;
                if !matches!(made, Made::Outcome(_)) {
                    return Ok(made);
                }
                store.faults.after("condemn").await;
                remember_made(store, claim, at, deadline).await?;
            }
            let others = write::delete_all(place, &filter, claim.markers_after(at)).await?;
            store.faults.after("delete-all").await;
            write::remove(place, &pin, &marker).await?;
            Ok(Made::Outcome(Outcome::Deleted(others + 1)))
        }
    }
}

/// Notes that a deletion is decided, before the document with its mark goes.
async fn remember_made(
    store: &Store,
    claim: &mut Claim,
    at: usize,
    deadline: Instant,
) -> Result<(), DocumentError> {
    if claim.step(at).is_some_and(|step| step.made) {
        return Ok(());
    }
    let change = doc! {"$set": {claim.path(at, "made"): true}};
    note(store, claim, change, deadline).await?;
    store.faults.after("note").await;
    if let Some(step) = claim.step_mut(at) {
        step.made = true;
    }
    Ok(())
}

/// Changes the claim, if it is still held.
pub(crate) async fn note(
    store: &Store,
    claim: &Claim,
    change: Document,
    deadline: Instant,
) -> Result<(), DocumentError> {
    let database = store.database(&claim.first.database)?;
    if store.change_record(&database, &claim.id, claim.holder, change, deadline).await? {
        return Ok(());
    }
    Err(lost())
}

/// Somebody else holds the commit now, and finishes it.
pub(crate) fn lost() -> DocumentError {
    DocumentError::Unavailable("the commit is being finished elsewhere: repeat it".to_owned())
}

/// What the deciding write did, if it is known to have been made.
pub(crate) async fn decided(
    store: &Store,
    claim: &Claim,
    deadline: Instant,
) -> Result<Option<Outcome>, DocumentError> {
    let step = &claim.first;
    let Some(pin) = &step.pin else { return Ok(None) };
    let database = store.database(&step.database)?;
    let place = Place { database: &database, collection: &step.collection, deadline };
    let marker = claim.marker(0);
    Ok(match &step.act {
        Act::Insert { .. } => place.marked(pin, &marker).await?.map(Outcome::Inserted),
        Act::Update { .. } => place.marked(pin, &marker).await?.map(Outcome::Updated),
        Act::Delete { .. } | Act::DeleteAll { .. } => {
            (step.made || place.condemned(pin, &marker).await?).then_some(Outcome::Deleted(1))
        }
    })
}

/// Where markers of this commit are now.
pub(crate) fn touched(claim: &Claim, outcomes: &[Outcome]) -> Vec<Touched> {
    let marks = outcomes.iter().enumerate().filter_map(|(at, outcome)| {
        let step = claim.step(at)?;
        let left = match outcome {
            Outcome::Inserted(_) | Outcome::Updated(_) => true,
            Outcome::Deleted(_) => matches!(step.act, Act::Delete { .. }) && !claim.reuses(at),
            Outcome::Unmatched | Outcome::Conflicted => false,
        };
        Some(Touched {
            database: step.database.clone(),
            collection: step.collection.clone(),
            id: step.pin.clone().filter(|_| left)?,
            marker: claim.marker(at),
            deletes: matches!(step.act, Act::Delete { .. }),
        })
    });
    marks.collect()
}

impl Claim {
    pub(crate) fn step(&self, at: usize) -> Option<&Step> {
        match at.checked_sub(1) {
            None => Some(&self.first),
            Some(later) => self.later.get(later),
        }
    }

    pub(crate) fn step_mut(&mut self, at: usize) -> Option<&mut Step> {
        match at.checked_sub(1) {
            None => Some(&mut self.first),
            Some(later) => self.later.get_mut(later),
        }
    }

    /// Where a write's field lies in the record.
    pub(crate) fn path(&self, at: usize, field: &str) -> String {
        match at.checked_sub(1) {
            None => format!("first.{field}"),
            Some(later) => format!("later.{later}.{field}"),
        }
    }

    /// True when a write after this one is in the same collection, and so may need the unique keys
    /// of a document that this one deletes.
    pub(crate) fn reuses(&self, at: usize) -> bool {
        let Some(step) = self.step(at) else { return false };
        self.later
            .iter()
            .skip(at)
            .any(|later| later.database == step.database && later.collection == step.collection)
    }

    pub(crate) fn markers_after(&self, at: usize) -> Vec<String> {
        (at + 1..=self.later.len()).map(|later| self.marker(later)).collect()
    }
}
