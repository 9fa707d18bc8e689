//! The document store in memory.

use std::collections::{BTreeMap, HashMap};

use bson::{Bson, Document, oid::ObjectId};

use super::{
    change, compare,
    matching::{matches, projected, sorted, value},
};
use crate::documents::{
    Change, Commit, Document as Encoded, DocumentError, Filter, NewEvent, Operation, Outcome,
    Query, Sequence, Test, Write,
};

/// The WIT's bounds on a commit.
const MAX_WRITES: usize = 100;
const MAX_EVENTS: usize = 16;
const MAX_EVENT_BYTES: usize = 256 * 1024;
const MAX_COMMIT_ID_BYTES: usize = 64;

/// An event that a commit published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Routing key.
    pub topic: String,
    /// Its payload, parsed.
    pub payload: serde_json::Value,
}

impl From<NewEvent> for Published {
    fn from(event: NewEvent) -> Self {
        let payload = serde_json::from_slice(&event.payload).unwrap_or_default();
        Self { topic: event.topic, payload }
    }
}

type Name = (String, String);

struct Unique {
    fields: Vec<String>,
    sparse: bool,
}

#[derive(Default)]
pub(super) struct DocumentStore {
    collections: BTreeMap<Name, Vec<Document>>,
    unique: BTreeMap<Name, Vec<Unique>>,
    commits: HashMap<String, Vec<Outcome>>,
    pub(super) events: Vec<Published>,
}

fn invalid(error: &dyn std::fmt::Display) -> DocumentError {
    DocumentError::Invalid(error.to_string())
}

pub(super) fn encode(document: &Document) -> Result<Encoded, DocumentError> {
    bson::serialize_to_vec(document).map_err(|error| invalid(&error))
}

fn decode(document: &[u8]) -> Result<Document, DocumentError> {
    bson::deserialize_from_slice(document).map_err(|error| invalid(&error))
}

impl DocumentStore {
    pub(super) fn declare_unique(&mut self, name: Name, fields: &[&str], sparse: bool) {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.unique.entry(name).or_default().push(Unique { fields, sparse });
    }

    fn all(&self, name: &Name) -> &[Document] {
        self.collections.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, name: &Name, query: &Query) -> Result<Vec<Encoded>, DocumentError> {
        if query.limit == 0 || query.limit > 1_000 {
            return Err(invalid(&"limit is 1 to 1000"));
        }
        if !query.include.is_empty() && !query.exclude.is_empty() {
            return Err(invalid(&"include and exclude don't go together"));
        }
        let documents = self.all(name).iter();
        let mut found: Vec<_> = documents.filter(|d| matches(d, &query.filter)).collect();
        found.sort_by(|left, right| sorted(left, right, &query.sort));
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let kept = found.into_iter().take(limit);
        kept.map(|d| encode(&projected(d, &query.include, &query.exclude))).collect()
    }

    pub(super) fn count(&self, name: &Name, filter: &Filter, limit: u32) -> u32 {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = self.all(name).iter().filter(|d| matches(d, filter)).take(limit).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    pub(super) fn commit(
        &mut self,
        commit: Commit,
        mut new_id: impl FnMut() -> ObjectId,
    ) -> Result<Vec<Outcome>, DocumentError> {
        check(&commit)?;
        if let Some(outcomes) = self.commits.get(&commit.id) {
            return Ok(outcomes.clone());
        }
        let before = self.collections.clone();
        let mut outcomes = Vec::with_capacity(commit.writes.len());
        for write in &commit.writes {
            let deciding = outcomes.is_empty();
            let outcome = match self.write(write, &mut new_id) {
                Ok(outcome) => outcome,
                Err(DocumentError::Unmatched) if !deciding => Outcome::Unmatched,
                Err(DocumentError::Conflict(_)) if !deciding => Outcome::Conflicted,
                Err(error) => {
                    self.collections = before;
                    return Err(error);
                }
            };
            outcomes.push(outcome);
        }
        self.events.extend(commit.events.into_iter().map(Published::from));
        self.commits.insert(commit.id, outcomes.clone());
        Ok(outcomes)
    }

    fn write(
        &mut self,
        write: &Write,
        new_id: &mut impl FnMut() -> ObjectId,
    ) -> Result<Outcome, DocumentError> {
        let name = (write.database.clone(), write.collection.clone());
        match &write.operation {
            Operation::Insert { document, sequence } => {
                let mut document = decode(document)?;
                if let Some(sequence) = sequence {
                    self.number(&name, &mut document, sequence);
                }
                self.insert(&name, document, new_id).map(Outcome::Inserted)
            }
            Operation::Update { filter, changes, upsert } => {
                change::check_distinct(changes)?;
                let at = self.all(&name).iter().position(|document| matches(document, filter));
                match at {
                    Some(at) => self.update(&name, at, changes).map(Outcome::Updated),
                    None if *upsert => {
                        let mut document = equalities(filter)?;
                        for one in changes {
                            change::apply(&mut document, one, true)?;
                        }
                        self.insert(&name, document, new_id).map(Outcome::Updated)
                    }
                    None => Err(DocumentError::Unmatched),
                }
            }
            Operation::Delete(filter) => self.delete(&name, filter, 1),
            Operation::DeleteAll(filter) => self.delete(&name, filter, u64::MAX),
        }
    }

    fn number(&self, name: &Name, document: &mut Document, sequence: &Sequence) {
        let group = |document: &Document| -> Vec<Bson> {
            let fields = sequence.within.iter();
            fields.map(|path| value(document, path).cloned().unwrap_or(Bson::Null)).collect()
        };
        let own = group(document);
        let numbers =
            self.all(name).iter().filter(|other| group(other) == own).filter_map(|d| match value(
                d,
                &sequence.field,
            )? {
                Bson::Int64(number) => Some(*number),
                Bson::Int32(number) => Some(i64::from(*number)),
                _ => None,
            });
        let next = numbers.max().unwrap_or(0) + 1;
        document.insert(sequence.field.clone(), next);
    }

    fn insert(
        &mut self,
        name: &Name,
        document: Document,
        new_id: &mut impl FnMut() -> ObjectId,
    ) -> Result<Encoded, DocumentError> {
        let mut stored = Document::new();
        // MongoDB keeps `_id` in front.
        stored.insert("_id", document.get("_id").cloned().unwrap_or_else(|| new_id().into()));
        stored.extend(document.into_iter().filter(|(key, _)| key != "_id"));
        self.check_unique(name, &stored, None)?;
        let encoded = encode(&stored)?;
        self.collections.entry(name.clone()).or_default().push(stored);
        Ok(encoded)
    }

    fn update(
        &mut self,
        name: &Name,
        at: usize,
        changes: &[Change],
    ) -> Result<Encoded, DocumentError> {
        let Some(current) = self.all(name).get(at) else { return Err(DocumentError::Unmatched) };
        let mut changed = current.clone();
        for one in changes {
            change::apply(&mut changed, one, false)?;
        }
        if changed.get("_id") != current.get("_id") {
            return Err(invalid(&"_id can't be changed"));
        }
        self.check_unique(name, &changed, Some(at))?;
        let encoded = encode(&changed)?;
        if let Some(slot) = self.collections.get_mut(name).and_then(|all| all.get_mut(at)) {
            *slot = changed;
        }
        Ok(encoded)
    }

    fn delete(
        &mut self,
        name: &Name,
        filter: &Filter,
        most: u64,
    ) -> Result<Outcome, DocumentError> {
        let mut deleted = 0;
        if let Some(documents) = self.collections.get_mut(name) {
            documents.retain(|document| {
                let goes = deleted < most && matches(document, filter);
                deleted += u64::from(goes);
                !goes
            });
        }
        if deleted == 0 { Err(DocumentError::Unmatched) } else { Ok(Outcome::Deleted(deleted)) }
    }

    fn check_unique(
        &self,
        name: &Name,
        document: &Document,
        own: Option<usize>,
    ) -> Result<(), DocumentError> {
        let id = Unique { fields: vec!["_id".to_owned()], sparse: false };
        let indexes = self.unique.get(name).into_iter().flatten();
        for index in std::iter::once(&id).chain(indexes) {
            let Some(key) = index.key(document) else { continue };
            let others = self.all(name).iter().enumerate().filter(|(at, _)| Some(*at) != own);
            let clash = others
                .filter_map(|(_, other)| index.key(other))
                .any(|other| key.iter().zip(&other).all(|(a, b)| compare::equal(a, b)));
            if clash {
                return Err(DocumentError::Conflict(index.fields.join("+")));
            }
        }
        Ok(())
    }
}

impl Unique {
    /// The document's key; none when a sparse index leaves it out.
    fn key(&self, document: &Document) -> Option<Vec<Bson>> {
        let mut key = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            match value(document, field) {
                Some(value) => key.push(value.clone()),
                None if self.sparse => return None,
                None => key.push(Bson::Null),
            }
        }
        Some(key)
    }
}

/// What an upsert starts from: the equalities of the filter's only alternative.
fn equalities(filter: &Filter) -> Result<Document, DocumentError> {
    let [conditions] = filter.any_of.as_slice() else {
        return Err(invalid(&"an upsert needs exactly one alternative"));
    };
    let mut document = Document::new();
    for condition in conditions {
        if let Test::Eq(value) = &condition.test {
            let set = Change::Set(condition.path.clone(), value.clone());
            change::apply(&mut document, &set, true)?;
        }
    }
    Ok(document)
}

fn check(commit: &Commit) -> Result<(), DocumentError> {
    let ok = (1..=MAX_WRITES).contains(&commit.writes.len())
        && commit.events.len() <= MAX_EVENTS
        && commit.events.iter().all(|event| event.payload.len() <= MAX_EVENT_BYTES)
        && (1..=MAX_COMMIT_ID_BYTES).contains(&commit.id.len());
    if ok { Ok(()) } else { Err(invalid(&"the commit is out of bounds")) }
}
