//! Events on their way to the components that consume them.
//!
//! A commit puts each event into the queues of the manifest, in its own transaction. Whoever has time
//! then delivers what is due ([`crate::deliver`]), one at a time over the whole application: the
//! holder of the only turn. So a queue sees its events in the order of their commits, and a delivery
//! that causes a call to another component causes no second round of deliveries within it.

use pingtalk_documents::{Error, Param, Row, Sql};
use pingtalk_manifest::Queue;
use pingtalk_spin_platform::Served;

/// Events taken over at once: a commit has 16 at most.
const BATCH: usize = 1_000;
/// How long a turn lasts if its holder is never heard of again, in milliseconds: longer than a
/// delivery may take.
const TURN: i64 = 30_000;
/// Longest reason kept, in bytes.
const MAX_REASON: usize = 1_000;

const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS deliveries (
         position INTEGER PRIMARY KEY AUTOINCREMENT, component TEXT NOT NULL, queue TEXT NOT NULL,
         id TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL,
         attempts INTEGER NOT NULL, due INTEGER NOT NULL, dead INTEGER NOT NULL,
         reason TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (dead, due, position)",
    "CREATE TABLE IF NOT EXISTS turns (
         one INTEGER PRIMARY KEY CHECK (one = 1), holder INTEGER NOT NULL, until INTEGER NOT NULL)
         STRICT",
];

/// An event for a component.
#[derive(Debug)]
pub(crate) struct Delivery {
    position: i64,
    pub(crate) component: String,
    pub(crate) queue: String,
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) published_at: i64,
    /// 1 on the first.
    pub(crate) attempt: i64,
}

/// What became of a delivery.
pub(crate) enum End {
    Done,
    /// Again at this time; why.
    Again(i64, String),
    /// Never again: an operator finds it in the table; why.
    Dead(String),
}

/// Makes the tables, once.
pub(crate) fn prepare(sql: &dyn Sql) -> Result<(), Error> {
    TABLES.iter().try_for_each(|table| sql.execute(table, &[]))
}

/// Moves the outbox into the queues. An event that no component consumes is forgotten, as a broker
/// does.
pub(crate) fn take_over(sql: &dyn Sql) -> Result<(), Error> {
    let events = pingtalk_documents::oldest(sql, 0, BATCH)?;
    for event in &events {
        for (component, queue) in consumers(&event.topic)? {
            sql.execute(
                "INSERT INTO deliveries (component, queue, id, topic, payload, at, attempts, due, \
                 dead, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?6, 0, '')",
                &[
                    Param::Text(&component),
                    Param::Text(&queue),
                    Param::Text(&event.id),
                    Param::Text(&event.topic),
                    Param::Blob(&event.payload),
                    Param::Integer(event.at),
                ],
            )?;
        }
    }
    let positions: Vec<String> = events.iter().map(|event| event.position.to_string()).collect();
    pingtalk_documents::forget(sql, positions.iter().map(String::as_str))
}

fn consumers(topic: &str) -> Result<Vec<(String, String)>, Error> {
    Served::with(|served| {
        let components = served.manifest.components.iter();
        components
            .flat_map(|(name, component)| component.host.consume.iter().map(move |q| (name, q)))
            .filter(|(_, queue)| queue.topics.iter().any(|consumed| consumed == topic))
            .map(|(name, queue)| (name.clone(), queue.name.clone()))
            .collect()
    })
    .map_err(Error::Storage)
}

/// A queue's settings in the manifest.
pub(crate) fn settings(name: &str) -> Option<Queue> {
    Served::with(|served| {
        let components = served.manifest.components.values();
        components.flat_map(|it| &it.host.consume).find(|queue| queue.name == name).cloned()
    })
    .ok()
    .flatten()
}

/// True when something is due.
pub(crate) fn is_due(sql: &dyn Sql, now: i64) -> Result<bool, Error> {
    let mut due = false;
    sql.query(
        "SELECT position FROM deliveries WHERE dead = 0 AND due <= ?1",
        &[Param::Integer(now)],
        &mut |_| {
            due = true;
            Ok(false)
        },
    )?;
    Ok(due)
}

/// Takes the turn, unless another holds it.
pub(crate) fn take_turn(sql: &dyn Sql, holder: i64, now: i64) -> Result<bool, Error> {
    let mut taken = false;
    sql.query(
        "SELECT holder FROM turns WHERE until > ?1 AND holder <> ?2",
        &[Param::Integer(now), Param::Integer(holder)],
        &mut |_| {
            taken = true;
            Ok(false)
        },
    )?;
    if !taken {
        sql.execute(
            "INSERT INTO turns (one, holder, until) VALUES (1, ?1, ?2) \
             ON CONFLICT (one) DO UPDATE SET holder = ?1, until = ?2",
            &[Param::Integer(holder), Param::Integer(now + TURN)],
        )?;
    }
    Ok(!taken)
}

/// Gives the turn back.
pub(crate) fn end_turn(sql: &dyn Sql, holder: i64) -> Result<(), Error> {
    sql.execute("UPDATE turns SET until = 0 WHERE holder = ?1", &[Param::Integer(holder)])
}

/// The next delivery that is due, counted as an attempt. If nothing is heard of it, it comes again
/// when the turn would have ended.
pub(crate) fn next(sql: &dyn Sql, now: i64) -> Result<Option<Delivery>, Error> {
    let mut next = None;
    sql.query(
        "SELECT position, component, queue, id, topic, payload, at, attempts FROM deliveries \
         WHERE dead = 0 AND due <= ?1 ORDER BY due, position",
        &[Param::Integer(now)],
        &mut |row| {
            next = Some(delivery(row)?);
            Ok(false)
        },
    )?;
    if let Some(delivery) = &next {
        sql.execute(
            "UPDATE deliveries SET attempts = ?2, due = ?3 WHERE position = ?1",
            &[
                Param::Integer(delivery.position),
                Param::Integer(delivery.attempt),
                Param::Integer(now + TURN),
            ],
        )?;
    }
    Ok(next)
}

fn delivery(row: &dyn Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        position: row.integer(0)?,
        component: row.text(1)?.to_owned(),
        queue: row.text(2)?.to_owned(),
        id: row.text(3)?.to_owned(),
        topic: row.text(4)?.to_owned(),
        payload: row.blob(5)?.to_vec(),
        published_at: row.integer(6)?,
        attempt: row.integer(7)? + 1,
    })
}

/// Records how a delivery ended.
pub(crate) fn settle(sql: &dyn Sql, delivery: &Delivery, end: &End) -> Result<(), Error> {
    let position = Param::Integer(delivery.position);
    match end {
        End::Done => sql.execute("DELETE FROM deliveries WHERE position = ?1", &[position]),
        End::Again(due, reason) => sql.execute(
            "UPDATE deliveries SET due = ?2, reason = ?3 WHERE position = ?1",
            &[position, Param::Integer(*due), Param::Text(cut(reason))],
        ),
        End::Dead(reason) => sql.execute(
            "UPDATE deliveries SET dead = 1, reason = ?2 WHERE position = ?1",
            &[position, Param::Text(cut(reason))],
        ),
    }
}

fn cut(reason: &str) -> &str {
    let end = (0..=MAX_REASON.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at));
    reason.get(..end.unwrap_or_default()).unwrap_or_default()
}
