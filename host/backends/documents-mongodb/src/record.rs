//! The record of a commit, in the collection `pingtalk.commits` beside the deciding write: first the
//! claim with everything that is still to do, then the memory of what was done and the outbox.
//!
//! | field | |
//! |---|---|
//! | `_id` | the commit's id |
//! | `at` | when it was claimed or recorded, for forgetting it after a day |
//! | `unit` | an ObjectId that names this claim: markers and event ids come from it |
//! | `holder` | an ObjectId for whoever works on it; taking a commit over replaces it |
//! | `state` | 1: open. 2: done, with markers left to remove. Absent: nothing left to do |
//! | `moved` | it changed hands, so somebody else may still be working on it |
//! | `decided` | the deciding write is known to have happened |
//! | `first`, `later`, `events` | what to do |
//! | `outcomes`, `touched` | what was done, and where markers are |
//! | `order`, `host` | while events wait: their place, and which host publishes them |

use bson::{Binary, Bson, Document, RawDocumentBuf, doc, oid::ObjectId, spec::BinarySubtype};
use bytes::Bytes;
use pingtalk_capabilities::documents::{DocumentError, Outcome, Sequence};

use crate::{
    error::damaged,
    plan::{Act, Plan, Step},
};

/// Where records lie.
pub(crate) const COLLECTION: &str = "pingtalk.commits";
/// Open: somebody works on it, or died doing so.
pub(crate) const OPEN: i32 = 1;
/// Done, with markers left in documents.
pub(crate) const DONE: i32 = 2;
/// Documents up to this many bytes are remembered whole; of larger ones the `_id` is, and a
/// repetition reads them as they are then.
const SMALL: usize = 512;

/// An unfinished commit.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) unit: ObjectId,
    pub(crate) holder: ObjectId,
    /// Somebody else held it before.
    pub(crate) moved: bool,
    /// Of an insert read from a record only the `_id` is known.
    pub(crate) first: Step,
    pub(crate) later: Vec<Step>,
    pub(crate) events: Vec<(String, Bytes)>,
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Record {
    Open(Box<Claim>),
    Done(Done),
}

/// A finished commit.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) at: bson::DateTime,
    pub(crate) outcomes: Vec<Remembered>,
}

/// An outcome, or where to find the document of one.
#[derive(Debug)]
pub(crate) enum Remembered {
    Outcome(Outcome),
    /// The document was too large to be kept twice.
    Large {
        inserted: bool,
        database: String,
        collection: String,
        id: Bson,
    },
}

/// A document that carries a marker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Touched {
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) id: Bson,
    pub(crate) marker: String,
    /// The commit deletes the document.
    pub(crate) deletes: bool,
}

impl Claim {
    /// A new claim to a plan.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            id: plan.id,
            unit: ObjectId::new(),
            holder: ObjectId::new(),
            moved: false,
            first: plan.first,
            later: plan.later,
            events: plan.events,
        }
    }

    /// The marker of a write: 0 is the deciding one.
    pub(crate) fn marker(&self, at: usize) -> String {
        format!("{}#{at}", self.unit.to_hex())
    }

    /// The record as it is inserted.
    pub(crate) fn encode(&self) -> Result<RawDocumentBuf, DocumentError> {
        // The caller brings the deciding insert's document again; it needs no copy here.
        let mut first = note(&self.first)?;
        first.remove("document");
        let record = doc! {
            "_id": &self.id,
            "at": bson::DateTime::now(),
            "unit": self.unit,
            "holder": self.holder,
            "state": OPEN,
            "first": first,
            "later": self.later.iter().map(note).collect::<Result<Vec<_>, _>>()?,
            "events": self.events.iter().map(event).collect::<Vec<_>>(),
        };
        RawDocumentBuf::try_from(&record).map_err(|_| damaged("own record"))
    }

    fn parse(id: String, record: &Document) -> Option<Self> {
        let list = |name: &str| record.get_array(name).ok();
        Some(Self {
            id,
            unit: record.get_object_id("unit").ok()?,
            holder: record.get_object_id("holder").ok()?,
            moved: record.get_bool("moved").unwrap_or(false),
            first: read_note(record.get_document("first").ok()?)?,
            later: list("later")?
                .iter()
                .map(|step| read_note(step.as_document()?))
                .collect::<Option<_>>()?,
            events: list("events")?
                .iter()
                .map(|event| {
                    let event = event.as_document()?;
                    Some((event.get_str("topic").ok()?.to_owned(), bytes(event, "payload")?))
                })
                .collect::<Option<_>>()?,
        })
    }

    /// What turns the claim into the memory of it.
    pub(crate) fn finished(
        &self,
        outcomes: &[Outcome],
        touched: &[Touched],
        host: &str,
        order: i64,
    ) -> Document {
        let steps = std::iter::once(&self.first).chain(&self.later);
        let outcomes: Vec<Bson> =
            outcomes.iter().zip(steps).map(|(outcome, step)| remember(outcome, step)).collect();
        let mut set = doc! {"at": bson::DateTime::now(), "outcomes": outcomes};
        let mut unset = doc! {"first": "", "later": ""};
        if touched.is_empty() {
            unset.insert("state", "");
        } else {
            set.insert("state", DONE);
            set.insert("touched", touched.iter().map(Touched::encode).collect::<Vec<_>>());
        }
        if self.events.is_empty() {
            unset.insert("events", "");
        } else {
            set.insert("order", order);
            set.insert("host", host);
        }
        doc! {"$set": set, "$unset": unset}
    }
}

/// Reads a record.
pub(crate) fn parse(bytes: &[u8]) -> Result<Record, DocumentError> {
    let unreadable = || damaged("record of a commit");
    let record = Document::from_reader(bytes).map_err(|_| unreadable())?;
    let id = record.get_str("_id").map_err(|_| unreadable())?.to_owned();
    if let Ok(outcomes) = record.get_array("outcomes") {
        let outcomes = outcomes
            .iter()
            .map(|outcome| recall(outcome.as_document()?))
            .collect::<Option<_>>()
            .ok_or_else(unreadable)?;
        let at = *record.get_datetime("at").map_err(|_| unreadable())?;
        return Ok(Record::Done(Done { at, outcomes }));
    }
    Claim::parse(id, &record).map(|claim| Record::Open(Box::new(claim))).ok_or_else(unreadable)
}

impl Touched {
    fn encode(&self) -> Bson {
        doc! {"database": &self.database, "collection": &self.collection, "id": self.id.clone(),
        "marker": &self.marker, "deletes": self.deletes}
        .into()
    }

    /// Reads one entry of a record's `touched`.
    pub(crate) fn parse(entry: &Bson) -> Option<Self> {
        let entry = entry.as_document()?;
        let text = |name: &str| entry.get_str(name).ok().map(str::to_owned);
        Some(Self {
            database: text("database")?,
            collection: text("collection")?,
            id: entry.get("id")?.clone(),
            marker: text("marker")?,
            deletes: entry.get_bool("deletes").ok()?,
        })
    }
}

/// Encoded documents travel as binary: they hold operators, which no field name may look like.
fn packed(document: &Document) -> Result<Bson, DocumentError> {
    let bytes = document.to_vec().map_err(|_| damaged("own record"))?;
    Ok(binary(bytes))
}

fn binary(bytes: Vec<u8>) -> Bson {
    Binary { subtype: BinarySubtype::Generic, bytes }.into()
}

fn bytes(document: &Document, name: &str) -> Option<Bytes> {
    document.get_binary_generic(name).ok().map(|bytes| Bytes::copy_from_slice(bytes))
}

fn unpacked(document: &Document, name: &str) -> Option<Document> {
    Document::from_reader(document.get_binary_generic(name).ok()?.as_slice()).ok()
}

fn event((topic, payload): &(String, Bytes)) -> Bson {
    doc! {"topic": topic, "payload": binary(payload.to_vec())}.into()
}

/// A write as the record has it.
fn note(step: &Step) -> Result<Document, DocumentError> {
    let mut note = doc! {"database": &step.database, "collection": &step.collection};
    if let Some(pin) = &step.pin {
        note.insert("pin", pin.clone());
        note.insert("absent", step.absent);
    }
    match &step.act {
        Act::Insert { document, sequence } => {
            note.insert("act", "insert");
            note.insert("document", binary(document.to_vec()));
            if let Some(Sequence { field, within }) = sequence {
                note.insert("sequence", doc! {"field": field, "within": within.clone()});
            }
        }
        Act::Update { filter, update, upsert, named } => {
            note.insert("act", "update");
            note.insert("filter", packed(filter)?);
            note.insert("update", packed(update)?);
            note.insert("named", named);
            if let Some(start) = upsert {
                note.insert("upsert", packed(start)?);
            }
        }
        Act::Delete { filter, named } => {
            note.insert("act", "delete");
            note.insert("filter", packed(filter)?);
            note.insert("named", named);
        }
        Act::DeleteAll { filter } => {
            note.insert("act", "delete-all");
            note.insert("filter", packed(filter)?);
        }
    }
    Ok(note)
}

fn read_note(note: &Document) -> Option<Step> {
    let named = note.get_bool("named").unwrap_or(false);
    let act = match note.get_str("act").ok()? {
        "insert" => Act::Insert {
            document: bytes(note, "document").unwrap_or_default(),
            sequence: match note.get_document("sequence") {
                Ok(sequence) => Some(Sequence {
                    field: sequence.get_str("field").ok()?.to_owned(),
                    within: sequence
                        .get_array("within")
                        .ok()?
                        .iter()
                        .map(|path| path.as_str().map(str::to_owned))
                        .collect::<Option<_>>()?,
                }),
                Err(_) => None,
            },
        },
        "update" => Act::Update {
            filter: unpacked(note, "filter")?,
            update: unpacked(note, "update")?,
            upsert: unpacked(note, "upsert"),
            named,
        },
        "delete" => Act::Delete { filter: unpacked(note, "filter")?, named },
        "delete-all" => Act::DeleteAll { filter: unpacked(note, "filter")? },
        _ => return None,
    };
    Some(Step {
        database: note.get_str("database").ok()?.to_owned(),
        collection: note.get_str("collection").ok()?.to_owned(),
        act,
        pin: note.get("pin").cloned(),
        absent: note.get_bool("absent").unwrap_or(false),
        made: note.get_bool("made").unwrap_or(false),
    })
}

fn remember(outcome: &Outcome, step: &Step) -> Bson {
    match outcome {
        Outcome::Inserted(document) | Outcome::Updated(document) => {
            let inserted = matches!(outcome, Outcome::Inserted(_));
            let mut entry = doc! {"inserted": inserted};
            if document.len() <= SMALL {
                entry.insert("document", binary(document.to_vec()));
            } else {
                entry.insert("database", &step.database);
                entry.insert("collection", &step.collection);
                entry.insert("id", step.pin.clone().unwrap_or(Bson::Null));
            }
            entry.into()
        }
        Outcome::Deleted(count) => {
            doc! {"deleted": i64::try_from(*count).unwrap_or(i64::MAX)}.into()
        }
        Outcome::Unmatched => doc! {"unmatched": true}.into(),
        Outcome::Conflicted => doc! {"conflicted": true}.into(),
    }
}

fn recall(entry: &Document) -> Option<Remembered> {
    if let Ok(count) = entry.get_i64("deleted") {
        return Some(Remembered::Outcome(Outcome::Deleted(count.try_into().ok()?)));
    }
    if entry.contains_key("unmatched") {
        return Some(Remembered::Outcome(Outcome::Unmatched));
    }
    if entry.contains_key("conflicted") {
        return Some(Remembered::Outcome(Outcome::Conflicted));
    }
    let inserted = entry.get_bool("inserted").ok()?;
    if let Some(document) = bytes(entry, "document") {
        let outcome =
            if inserted { Outcome::Inserted(document) } else { Outcome::Updated(document) };
        return Some(Remembered::Outcome(outcome));
    }
    Some(Remembered::Large {
        inserted,
        database: entry.get_str("database").ok()?.to_owned(),
        collection: entry.get_str("collection").ok()?.to_owned(),
        id: entry.get("id")?.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_claim_reads_as_it_was_written() {
        let step = |act, pin| Step {
            database: "db".to_owned(),
            collection: "c".to_owned(),
            act,
            pin,
            absent: false,
            made: false,
        };
        let sequence = Sequence { field: "n".to_owned(), within: vec!["g".to_owned()] };
        let document = Bytes::from(doc! {"_id": 1}.to_vec().unwrap());
        let filter = doc! {"a": {"$eq": 1}};
        let plan = Plan {
            id: "commit".to_owned(),
            first: step(
                Act::Update {
                    filter: filter.clone(),
                    update: doc! {"$set": {"a": 2}},
                    upsert: Some(doc! {"a": 1}),
                    named: false,
                },
                Some(Bson::Int32(3)),
            ),
            later: vec![
                step(Act::Insert { document, sequence: Some(sequence) }, Some(Bson::Int32(1))),
                step(Act::Delete { filter: filter.clone(), named: true }, None),
                step(Act::DeleteAll { filter }, None),
            ],
            events: vec![("t".to_owned(), Bytes::from_static(b"{}"))],
        };
        let claim = Claim::new(plan);
        let Record::Open(read) = parse(claim.encode().unwrap().as_bytes()).unwrap() else {
            panic!("open")
        };
        assert_eq!(
            (read.unit, read.holder, read.first, read.later, read.events),
            (claim.unit, claim.holder, claim.first, claim.later, claim.events)
        );
    }
}
