//! One write of a commit, made so that making it again changes nothing.
//!
//! Every write is about one document, its pin, and leaves a marker there in the same change. A
//! write made again finds its marker and takes the document as its outcome. Only deleting every
//! match has no single document; see [`delete_all`].

use std::time::Instant;

use bson::{
    Bson, Document, RawDocumentBuf, doc,
    raw::{RawArrayBuf, RawDocument},
};
use bytes::Bytes;
use pingtalk_capabilities::documents::{DocumentError, Outcome, Sequence};

use crate::{
    database::{Database, Find, Modify},
    error::damaged,
    path::{DELETING, MARKERS, is_hidden},
    query::{hidden, visible},
    sequence,
};

/// A collection on its server.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) database: &'a Database,
    pub(crate) collection: &'a str,
    pub(crate) deadline: Instant,
}

/// What a write came to.
#[derive(Debug)]
pub(crate) enum Made {
    Outcome(Outcome),
    /// The pinned document is gone or does not match any more; nothing was changed.
    Moved,
    /// A unique index refused it; nothing was changed.
    Conflict(String),
}

impl Place<'_> {
    async fn one(
        &self,
        filter: Document,
        projection: Document,
    ) -> Result<Option<Bytes>, DocumentError> {
        let find = Find { filter, projection, limit: 1, ..Find::default() };
        Ok(self.database.find(self.collection, find, usize::MAX, self.deadline).await?.pop())
    }

    /// The pinned document, if this marker is in it.
    pub(crate) async fn marked(
        &self,
        pin: &Bson,
        marker: &str,
    ) -> Result<Option<Bytes>, DocumentError> {
        self.one(doc! {"_id": {"$eq": pin}, MARKERS: marker}, hidden()).await
    }

    /// True when this marker's write is to delete the pinned document, which is still there.
    pub(crate) async fn condemned(&self, pin: &Bson, marker: &str) -> Result<bool, DocumentError> {
        let filter = doc! {"_id": {"$eq": pin}, DELETING: marker};
        Ok(self.one(filter, doc! {"_id": 1}).await?.is_some())
    }

    /// The `_id` of the first match.
    pub(crate) async fn first(&self, filter: &Document) -> Result<Option<Bson>, DocumentError> {
        let found = self.one(visible(filter.clone()), doc! {"_id": 1}).await?;
        let Some(found) = found else { return Ok(None) };
        let mut found = Document::from_reader(&found[..]).map_err(|_| damaged("document"))?;
        Ok(found.remove("_id"))
    }

    /// The document with this `_id` as it is now.
    pub(crate) async fn by_id(&self, id: &Bson) -> Result<Option<Bytes>, DocumentError> {
        self.one(visible(doc! {"_id": {"$eq": id}}), hidden()).await
    }
}

/// Inserts a document whose `_id` is its pin.
pub(crate) async fn insert(
    place: Place<'_>,
    document: &Bytes,
    numbering: Option<&Sequence>,
    pin: &Bson,
    marker: &str,
) -> Result<Made, DocumentError> {
    loop {
        let (numbered, number) = match numbering {
            None => (document.clone(), 0),
            Some(sequence) => {
                let number = sequence::greatest(place, document, sequence).await?.saturating_add(1);
                (sequence::numbered(document, &sequence.field, number)?, number)
            }
        };
        let with_marker = marked(&numbered, marker)?;
        match place.database.insert(place.collection, &with_marker, place.deadline).await {
            Ok(()) => return Ok(Made::Outcome(Outcome::Inserted(numbered))),
            Err(DocumentError::Conflict(index)) => {
                if let Some(document) = place.marked(pin, marker).await? {
                    return Ok(Made::Outcome(Outcome::Inserted(document)));
                }
                // Not the number's fault if nobody took it: then it will be refused again.
                let retry = match numbering {
                    None => false,
                    Some(sequence) => {
                        sequence::greatest(place, document, sequence).await? >= number
                            && place.by_id(pin).await?.is_none()
                    }
                };
                if !retry {
                    return Ok(Made::Conflict(index));
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The document with its hidden field.
pub(crate) fn marked(document: &[u8], marker: &str) -> Result<RawDocumentBuf, DocumentError> {
    let mut document =
        RawDocumentBuf::from_bytes(document.to_vec()).map_err(|_| damaged("own document"))?;
    let mut markers = RawArrayBuf::new();
    markers.push(marker);
    document.append(bson::cstr!("_commits"), markers);
    Ok(document)
}

/// What an update does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) filter: &'a Document,
    pub(crate) update: &'a Document,
    /// The filter for inserting the pin, when it is to be inserted.
    pub(crate) upsert: Option<&'a Document>,
}

/// Changes the pinned document.
pub(crate) async fn update(
    place: Place<'_>,
    update: Update<'_>,
    pin: &Bson,
    marker: &str,
) -> Result<Made, DocumentError> {
    let filter = match update.upsert {
        Some(start) => {
            let mut filter = start.clone();
            filter.insert("_id", plain(pin));
            filter.insert(MARKERS, doc! {"$ne": marker});
            filter.insert(DELETING, doc! {"$exists": false});
            filter
        }
        None => unmarked(update.filter, pin, marker),
    };
    let mut changes = update.update.clone();
    match changes.get_document_mut("$push") {
        Ok(pushes) => drop(pushes.insert(MARKERS, marker)),
        Err(_) => drop(changes.insert("$push", doc! {MARKERS: marker})),
    }
    let modify = Modify { filter, update: changes, upsert: update.upsert.is_some() };
    let refused = match place.database.modify(place.collection, modify, place.deadline).await {
        Ok(Some(document)) => {
            return Ok(Made::Outcome(Outcome::Updated(shown(&document)?)));
        }
        Ok(None) => Made::Moved,
        Err(DocumentError::Conflict(index)) => Made::Conflict(index),
        Err(error) => return Err(error),
    };
    Ok(match place.marked(pin, marker).await? {
        Some(document) => Made::Outcome(Outcome::Updated(document)),
        None => refused,
    })
}

/// The document as readers see it. The command that changes and returns a document could leave the
/// hidden fields out, but not on every server.
fn shown(document: &[u8]) -> Result<Bytes, DocumentError> {
    let document = RawDocument::from_bytes(document).map_err(|_| damaged("reply"))?;
    let mut shown = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element.map_err(|_| damaged("reply"))?;
        if !is_hidden(name.as_str()) {
            shown.append(name, value);
        }
    }
    Ok(shown.into_bytes().into())
}

/// The pinned document, if it matches, has not met this write yet and is not being deleted.
fn unmarked(filter: &Document, pin: &Bson, marker: &str) -> Document {
    let mut all = doc! {
        "_id": {"$eq": pin},
        MARKERS: {"$ne": marker},
        DELETING: {"$exists": false},
    };
    if !filter.is_empty() {
        all.insert("$and", vec![filter.clone()]);
    }
    all
}

/// Marks the pinned document as deleted by this write. Nobody sees it any more from then on;
/// [`remove`] takes it away.
pub(crate) async fn condemn(
    place: Place<'_>,
    filter: &Document,
    pin: &Bson,
    marker: &str,
) -> Result<Made, DocumentError> {
    let statement = doc! {"q": unmarked(filter, pin, marker), "u": {"$set": {DELETING: marker}}};
    let marked = place.database.update(place.collection, vec![statement], place.deadline).await?;
    if marked > 0 || place.condemned(pin, marker).await? {
        return Ok(Made::Outcome(Outcome::Deleted(1)));
    }
    Ok(Made::Moved)
}

/// Removes what this write marked.
pub(crate) async fn remove(
    place: Place<'_>,
    pin: &Bson,
    marker: &str,
) -> Result<(), DocumentError> {
    let filter = doc! {"_id": {"$eq": pin}, DELETING: marker};
    place.database.delete(place.collection, filter, false, place.deadline).await.map(drop)
}

/// Deletes every match but what the commit's own `later` writes made, and returns how many. Made
/// again, after a crash, it deletes what matches then: until the commit is recorded nobody has
/// been told that it is over, so what came in between came before it.
pub(crate) async fn delete_all(
    place: Place<'_>,
    filter: &Document,
    later: Vec<String>,
) -> Result<u64, DocumentError> {
    let mut filter = visible(filter.clone());
    if !later.is_empty() {
        filter = doc! {"$and": [filter, {MARKERS: {"$nin": later}}]};
    }
    place.database.delete(place.collection, filter, true, place.deadline).await
}

/// A value as an equality that an upsert copies. A document could be read as operators.
fn plain(value: &Bson) -> Bson {
    match value {
        Bson::Document(value) => doc! {"$eq": value}.into(),
        other => other.clone(),
    }
}
