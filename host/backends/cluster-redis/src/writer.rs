//! Appends what this host says to the stream, in order, as much as waits in one round trip.
//!
//! An answer that does not come leaves open whether Redis took the entries. They are sent again over
//! another connection; their counts tell readers what they had.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pingtalk_redis_connection::{Away, Dedicated};
use redis::{Pipeline, Value};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    backend::Shared,
    entry::{BODY, Entry, HEADER, Kind},
    pause::Pauses,
    pending::Item,
    stream::Id,
};

/// How many retentions a stream lives on that nobody writes to any more: a tenant's that is gone.
const AFTERLIFE: u32 = 10;

/// Runs until aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pauses = Pauses::new(shared.config.pauses);
    let mut told = false;
    loop {
        let ended = match shared.redis.dedicated().await {
            Ok(connection) => {
                let away = append(&shared, connection).await;
                if shared.pending.figures().open {
                    shared.pending.set_open(false);
                    pauses.reset();
                    told = false;
                }
                away
            }
            Err(away) => away,
        };
        // One line for an outage, however many attempts it takes.
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(reason = %ended, "other hosts can't be told what happens here for now");
        }
        pauses.pause().await;
    }
}

/// Appends until that fails.
async fn append(shared: &Shared, mut connection: Dedicated) -> Away {
    let config = &shared.config;
    let mut open = false;
    // A server that lost its data may tell another time: only its own ids say what is old.
    let mut newest: Option<Id> = None;
    let mut beat_due = Instant::now();
    let mut renewal_due = Instant::now();
    loop {
        let batch = shared.pending.first(config.batch_notices, config.batch_bytes);
        let Some(last) = batch.last().map(|item| item.count) else {
            if timeout_at(beat_due, shared.pending.grown.notified()).await.is_err() {
                shared.pending.push(Kind::Beat, Bytes::new(), Bytes::new());
                beat_due = Instant::now() + config.beat;
            }
            continue;
        };
        let mut commands = commands(shared, &batch, newest);
        if renewal_due <= Instant::now() {
            let life = millis(config.retention * AFTERLIFE);
            commands.cmd("PEXPIRE").arg(&shared.keys.stream).arg(life).ignore();
            renewal_due = Instant::now() + config.retention;
        }
        let limit = config.answer_timeout + time_for(&batch);
        let answer = timeout(limit, commands.query_async(&mut *connection)).await;
        let ids: Vec<Value> = match answer {
            Ok(Ok(ids)) => ids,
            Ok(Err(error)) => return Away::from(error),
            Err(_) => return Away::TimedOut,
        };
        newest = ids.last().and_then(Id::of).or(newest);
        shared.pending.taken(last);
        if !std::mem::replace(&mut open, true) {
            // Not before: a connection that opens and then gives no answer is no use to callers.
            shared.pending.set_open(true);
            tracing::info!("other hosts are told what happens here");
        }
        beat_due = Instant::now() + config.beat;
    }
}

/// What the bytes themselves may take, at a megabyte a second. Without it a large body could never
/// get through a slow line, nor anything behind it.
fn time_for(batch: &[Item]) -> Duration {
    let bytes: usize = batch.iter().map(Item::bytes).sum();
    Duration::from_micros(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn commands(shared: &Shared, batch: &[Item], newest: Option<Id>) -> Pipeline {
    let mut commands = Pipeline::with_capacity(batch.len());
    let oldest = newest.map(|id| id.millis.saturating_sub(millis(shared.config.retention)));
    for (at, item) in batch.iter().enumerate() {
        let beside = item.kind == Kind::Beside;
        if beside {
            commands
                .cmd("SET")
                .arg(shared.keys.body(shared.origin, item.count))
                .arg(&*item.body)
                .arg("PX")
                .arg(millis(shared.config.retention))
                .ignore();
        }
        let entry = Entry {
            kind: item.kind,
            origin: shared.origin,
            count: item.count,
            head: item.head.clone(),
        };
        let append = commands.cmd("XADD").arg(&shared.keys.stream);
        if at == 0
            && let Some(oldest) = oldest
        {
            append.arg("MINID").arg("~").arg(oldest);
        }
        append.arg("*").arg(HEADER).arg(&*entry.encode());
        if !beside && !item.body.is_empty() {
            append.arg(BODY).arg(&*item.body);
        }
    }
    commands
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
