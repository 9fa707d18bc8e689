//! The outbox: events that wait in the records of their commits.
//!
//! A host publishes what it recorded, in the order it recorded it. What another host left lying is
//! taken over ([`crate::recover`]); should both publish an event, consumers know it by its id.

use std::{collections::HashMap, time::Instant};

use bson::{Document, doc};
use pingtalk_capabilities::{
    documents::{DocumentError, Unpublished},
    events::Event,
};

use crate::{
    commit::{event_id, payload},
    database::{Database, Find},
    error::{damaged, invalid},
    record::COLLECTION,
    store::Store,
};

/// Most events handed to the relay at once.
const MAX_EVENTS: usize = 1_000;
/// Most bytes of records read for the relay at once.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Between the parts of a position.
const SEPARATOR: char = '/';

/// The oldest events of this host, in the order of their commits.
pub(crate) async fn oldest(
    store: &Store,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<Unpublished>, DocumentError> {
    let limit = limit.min(MAX_EVENTS);
    let mut found = Vec::new();
    for (name, database) in store.databases() {
        let find = Find {
            filter: doc! {"order": {"$gt": 0}, "host": &store.host},
            sort: doc! {"order": 1},
            projection: doc! {"order": 1, "unit": 1, "at": 1, "events": 1},
            limit: u32::try_from(limit.max(1)).unwrap_or(u32::MAX),
        };
        for record in waiting(&database, find, deadline).await? {
            found.extend(events(&name, &record).ok_or_else(|| damaged("outbox"))?);
        }
    }
    found.sort_by_key(|(order, _)| *order);
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, event)| event).collect())
}

/// Records by a query; of those over the bound the first, however large it is.
async fn waiting(
    database: &Database,
    find: Find,
    deadline: Instant,
) -> Result<Vec<Document>, DocumentError> {
    let mut found = database.find(COLLECTION, find.clone(), MAX_BYTES, deadline).await?;
    if found.is_empty() {
        let one = Find { limit: 1, ..find };
        found = database.find(COLLECTION, one, usize::MAX, deadline).await?;
    }
    let parse =
        |bytes: &bytes::Bytes| Document::from_reader(&bytes[..]).map_err(|_| damaged("outbox"));
    found.iter().map(parse).collect()
}

fn events(database: &str, record: &Document) -> Option<Vec<((i64, usize), Unpublished)>> {
    let id = record.get_str("_id").ok()?;
    let unit = record.get_object_id("unit").ok()?;
    let order = record.get_i64("order").ok()?;
    let at = record.get_datetime("at").ok()?.timestamp_millis();
    let events = record.get_array("events").ok()?;
    let mut found = Vec::with_capacity(events.len());
    for (place, event) in events.iter().enumerate() {
        let event = event.as_document()?;
        if event.contains_key("published") {
            continue;
        }
        // The id comes last: it may hold any character.
        let position = [database, &place.to_string(), &events.len().to_string(), id].join("/");
        let event = Event {
            id: event_id(unit, place),
            topic: event.get_str("topic").ok()?.to_owned(),
            payload: payload(event.get("payload"))?,
            attempt: 0,
            published_at: at,
        };
        found.push(((order, place), Unpublished { position, event }));
    }
    Some(found)
}

/// Forgets events.
pub(crate) async fn forget(
    store: &Store,
    positions: &[String],
    deadline: Instant,
) -> Result<(), DocumentError> {
    // By database and commit: which of how many.
    let mut records: HashMap<(&str, &str), (Vec<usize>, usize)> = HashMap::new();
    for position in positions {
        let (database, place, count, id) =
            parse(position).ok_or_else(|| invalid("not a position of this outbox"))?;
        let (places, events) = records.entry((database, id)).or_default();
        places.push(place);
        *events = count;
    }
    let mut statements: HashMap<&str, Vec<Document>> = HashMap::new();
    for ((database, id), (mut places, count)) in records {
        places.sort_unstable();
        places.dedup();
        let statements = statements.entry(database).or_default();
        let over = doc! {"$unset": {"order": "", "host": "", "events": ""}};
        if places.len() == count {
            statements.push(doc! {"q": {"_id": id, "order": {"$gt": 0}}, "u": over});
            continue;
        }
        let published: Document =
            places.iter().map(|place| (format!("events.{place}.published"), true.into())).collect();
        statements.push(doc! {"q": {"_id": id, "order": {"$gt": 0}}, "u": {"$set": published}});
        // Was it the last of several?
        let all: Vec<Document> =
            (0..count).map(|place| doc! {format!("events.{place}.published"): true}).collect();
        statements.push(doc! {"q": {"_id": id, "$and": all}, "u": over});
    }
    for (database, statements) in statements {
        store.database(database)?.update(COLLECTION, statements, deadline).await?;
    }
    Ok(())
}

fn parse(position: &str) -> Option<(&str, usize, usize, &str)> {
    let mut parts = position.splitn(4, SEPARATOR);
    let database = parts.next()?;
    let (place, count) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((database, place, count, parts.next()?))
}
