//! A commit before anything is sent: its bounds checked, its writes translated, every inserted
//! document with an `_id`.

use bson::{
    Bson, Document,
    oid::ObjectId,
    raw::{RawBsonRef, RawDocument},
};
use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Collection, DocumentError, MAX_COMMIT_ID_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, MAX_WRITES,
    Operation, Sequence, Transaction, Write,
};

use crate::{
    change,
    error::invalid,
    path,
    query::{self, Matcher},
    value::check_document,
};

/// Longest routing key, in bytes (AMQP's short string).
const MAX_TOPIC_BYTES: usize = 255;
/// Most bytes that the writes after the first and the events may have together: they are noted in
/// one document before anything happens.
const MAX_NOTED_BYTES: usize = 15 * 1024 * 1024;

/// One write, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Database, as the manifest names it.
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) act: Act,
    /// The one document this write is about, once that is known. It is noted before the write is
    /// made, so that making it again can't reach another document.
    pub(crate) pin: Option<Bson>,
    /// When the pin was chosen no document matched: an upsert inserts one with this `_id`.
    pub(crate) absent: bool,
    /// A deletion that is known to be decided, so that its mark may be gone with its document.
    pub(crate) made: bool,
}

impl Step {
    /// Chooses the one document this is about; none: whatever matches next.
    pub(crate) fn choose(&mut self, pin: Option<Bson>) {
        let inserts = matches!(&self.act, Act::Update { upsert: Some(_), .. });
        self.absent = pin.is_none() && inserts;
        self.pin = pin.or_else(|| inserts.then(|| Bson::ObjectId(ObjectId::new())));
    }

    /// The filter, and whether it names the one document it can match. None: an insert.
    pub(crate) fn filter(&self) -> Option<(&Document, bool)> {
        match &self.act {
            Act::Insert { .. } => None,
            Act::Update { filter, named, .. } | Act::Delete { filter, named } => {
                Some((filter, *named))
            }
            Act::DeleteAll { filter } => Some((filter, false)),
        }
    }
}

/// What a write does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Insert {
        /// With an `_id`, the pin.
        document: Bytes,
        sequence: Option<Sequence>,
    },
    Update {
        filter: Document,
        update: Document,
        /// The filter as an upsert needs it; none: don't insert. See [`query::start`].
        upsert: Option<Document>,
        /// The pin is named by the filter, so no other document can match.
        named: bool,
    },
    Delete {
        filter: Document,
        named: bool,
    },
    DeleteAll {
        filter: Document,
    },
}

/// A checked transaction.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) first: Step,
    pub(crate) later: Vec<Step>,
    /// Topics and payloads.
    pub(crate) events: Vec<(String, Bytes)>,
}

impl Plan {
    /// Checks and translates.
    pub(crate) fn new(
        transaction: Transaction,
        collections: &[Collection],
    ) -> Result<Self, DocumentError> {
        if transaction.id.is_empty() || transaction.id.len() > MAX_COMMIT_ID_BYTES {
            return Err(invalid("a commit id is 1 to 64 bytes long"));
        }
        if transaction.events.len() > MAX_EVENTS {
            return Err(invalid("a commit has at most 16 events"));
        }
        for event in &transaction.events {
            if event.payload.len() > MAX_EVENT_BYTES {
                return Err(invalid("an event's payload is at most 256 KiB"));
            }
            if event.topic.is_empty() || event.topic.len() > MAX_TOPIC_BYTES {
                return Err(invalid("an event's topic is 1 to 255 bytes long"));
            }
        }
        if transaction.writes.is_empty() || transaction.writes.len() > MAX_WRITES {
            return Err(invalid("a commit has 1 to 100 writes"));
        }
        let mut steps = transaction
            .writes
            .into_iter()
            .map(|write| step(write, collections))
            .collect::<Result<Vec<_>, _>>()?;
        let first = steps.remove(0);
        let events: Vec<_> =
            transaction.events.into_iter().map(|event| (event.topic, event.payload)).collect();
        let noted = steps.iter().map(noted_bytes).sum::<usize>()
            + events.iter().map(|(topic, payload)| topic.len() + payload.len()).sum::<usize>();
        if noted > MAX_NOTED_BYTES {
            return Err(invalid("the writes after the first and the events are over 15 MiB"));
        }
        Ok(Self { id: transaction.id, first, later: steps, events })
    }
}

fn noted_bytes(step: &Step) -> usize {
    let size = |document: &Document| document.to_vec().map_or(0, |bytes| bytes.len());
    64 + match &step.act {
        Act::Insert { document, .. } => document.len(),
        Act::Update { filter, update, upsert, .. } => {
            size(filter) + size(update) + upsert.as_ref().map_or(0, size)
        }
        Act::Delete { filter, .. } | Act::DeleteAll { filter } => size(filter),
    }
}

fn step(write: Write, collections: &[Collection]) -> Result<Step, DocumentError> {
    let Write { database, collection, operation } = write;
    let declared = collections
        .iter()
        .find(|known| known.database == database && known.name == collection)
        .ok_or_else(|| undeclared(&database, &collection))?;
    let (act, pin) = match operation {
        Operation::Insert { document, sequence } => {
            if let Some(sequence) = &sequence {
                numbered_by(declared, sequence)?;
            }
            let (document, id) = with_id(&document)?;
            (Act::Insert { document, sequence }, Some(id))
        }
        Operation::Update { filter, changes, upsert } => {
            let named = query::named_id(&filter)?;
            let mut update = change::update(&changes)?;
            keep_id(&mut update, named.as_ref())?;
            let act = Act::Update {
                filter: Matcher::new(&filter)?.0,
                update,
                upsert: upsert.then(|| query::start(&filter)).transpose()?,
                named: named.is_some(),
            };
            (act, named)
        }
        Operation::Delete(filter) => {
            let named = query::named_id(&filter)?;
            let act = Act::Delete { filter: Matcher::new(&filter)?.0, named: named.is_some() };
            (act, named)
        }
        Operation::DeleteAll(filter) => (Act::DeleteAll { filter: Matcher::new(&filter)?.0 }, None),
    };
    let absent = pin.is_some() && matches!(&act, Act::Update { upsert: Some(_), .. });
    Ok(Step { database, collection, act, pin, absent, made: false })
}

/// The error for a collection that was not declared.
pub(crate) fn undeclared(database: &str, collection: &str) -> DocumentError {
    invalid(format!("the collection {database}.{collection} is not declared"))
}

/// Refuses a change of the `_id`. Setting it to what it is is no change.
fn keep_id(update: &mut Document, named: Option<&Bson>) -> Result<(), DocumentError> {
    let refused = || invalid("an `_id` can't be changed");
    for (operator, fields) in update.iter_mut() {
        let Some(fields) = fields.as_document_mut() else { continue };
        if fields.keys().any(|path| path.starts_with("_id.")) {
            return Err(refused());
        }
        match fields.get("_id") {
            None => {}
            // Which document is meant is not known yet: the server compares.
            Some(_) if operator == "$set" && named.is_none() => {}
            Some(value) if operator == "$set" && Some(value) == named => {
                fields.remove("_id");
            }
            Some(_) => return Err(refused()),
        }
    }
    // An operator without fields is an error to some servers.
    let empty: Vec<String> = update
        .iter()
        .filter(|(_, fields)| fields.as_document().is_some_and(Document::is_empty))
        .map(|(operator, _)| operator.clone())
        .collect();
    for operator in empty {
        update.remove(operator);
    }
    Ok(())
}

/// Checks a document and gives it an `_id` in the first place.
fn with_id(bytes: &Bytes) -> Result<(Bytes, Bson), DocumentError> {
    let document = check_document(bytes)?;
    let (mut id, mut first) = (None, true);
    for element in document {
        let (name, value) = element.map_err(|_| invalid("malformed BSON"))?;
        let name = name.as_str();
        if name.starts_with('$') {
            let name = name.chars().take(64).collect::<String>();
            return Err(invalid(format!("a field can't be named `{name}`")));
        }
        if path::is_hidden(name) {
            return Err(invalid(format!("the field `{name}` is the store's own")));
        }
        if name == "_id" {
            if id.is_some() {
                return Err(invalid("a document has one `_id`"));
            }
            if matches!(value, RawBsonRef::Array(_) | RawBsonRef::RegularExpression(_)) {
                return Err(invalid("an `_id` can't be an array or a regular expression"));
            }
            id = Some((value, first));
        }
        first = false;
    }
    let own = |value: RawBsonRef<'_>| Bson::try_from(value).map_err(|_| invalid("malformed BSON"));
    match id {
        Some((value, true)) => Ok((bytes.clone(), own(value)?)),
        Some((value, false)) => Ok((led_by(value, document)?, own(value)?)),
        None => {
            let id = ObjectId::new();
            Ok((led_by(RawBsonRef::ObjectId(id), document)?, Bson::ObjectId(id)))
        }
    }
}

/// The document with this `_id` before all other fields.
pub(crate) fn led_by(id: RawBsonRef<'_>, document: &RawDocument) -> Result<Bytes, DocumentError> {
    let mut out = bson::RawDocumentBuf::new();
    out.append(bson::cstr!("_id"), id);
    for element in document {
        let (name, value) = element.map_err(|_| invalid("malformed BSON"))?;
        if name.as_str() != "_id" {
            out.append(name, value);
        }
    }
    Ok(out.into_bytes().into())
}

/// Checks that the index is declared which makes numbers unique.
fn numbered_by(collection: &Collection, sequence: &Sequence) -> Result<(), DocumentError> {
    path::check(&sequence.field)?;
    sequence.within.iter().try_for_each(|path| path::check(path).map(drop))?;
    let wanted: Vec<&String> = sequence.within.iter().chain([&sequence.field]).collect();
    let serves = collection
        .indexes
        .iter()
        .any(|index| index.unique && index.fields.iter().eq(wanted.iter().copied()));
    if serves {
        return Ok(());
    }
    let fields: Vec<&str> = wanted.iter().map(|field| field.as_str()).collect();
    Err(invalid(format!("numbering needs a unique index on {}", fields.join("+"))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use bson::doc;

    use super::*;

    #[test]
    fn an_id_comes_first_and_nothing_else_moves() {
        let id_of = |document: Document| with_id(&document.to_vec().unwrap().into());
        let (bytes, id) = id_of(doc! {"a": 1, "b": {"c": 2}}).unwrap();
        let made = Document::from_reader(&bytes[..]).unwrap();
        assert_eq!(made, doc! {"_id": id, "a": 1, "b": {"c": 2}});
        let (bytes, id) = id_of(doc! {"a": 1, "_id": 7}).unwrap();
        assert_eq!(id, Bson::Int32(7));
        assert_eq!(Document::from_reader(&bytes[..]).unwrap(), doc! {"_id": 7, "a": 1});
        for wrong in [doc! {"_id": [1]}, doc! {"$a": 1}, doc! {"_commits": []}] {
            assert!(id_of(wrong).is_err());
        }
    }
}
