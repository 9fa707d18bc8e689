//! Reads what other hosts say, in the stream's order.
//!
//! It reads on after its last entry, whatever happened to the connection in between. That is right
//! as long as the last entry is still in the stream: entries go from the old end only. So it looks
//! for it whenever it may have been away for long. If it is gone, so may others be: that is a loss,
//! and reading starts anew at the stream's end. Every host's beats keep the last entry young.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::cluster::{Body, Received, Subscription};
use pingtalk_redis_connection::{Away, Dedicated};
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value, cmd, pipe};
use tokio::time::{Instant, timeout};

use crate::{
    backend::Shared,
    entry::{Entry, HEADER, Kind},
    origins::{Heard, Origins},
    pause::Pauses,
    stream::{self, Id},
    writer::millis,
};

/// Entries of one answer, whose bodies make up to 4 MiB.
const MOST: usize = 64;
/// A body beside the stream may be larger, and takes its time over a slow line.
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// Beats in which somebody who is there must be heard: our own, if nobody else's.
const BEATS: u32 = 3;

/// A host's ears.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    connection: Option<Dedicated>,
    pauses: Pauses,
    /// The last entry read. None before the first connection.
    last: Option<Id>,
    /// When it was read, or found in its place.
    heard: Instant,
    /// Whether the last entry has to be looked for.
    unsure: bool,
    /// There is more to read, so the stream's old end may be catching up.
    behind: bool,
    /// An attempt to begin failed.
    began_late: bool,
    origins: Origins,
    ready: VecDeque<Received>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            pauses: Pauses::new(shared.config.pauses),
            shared,
            connection: None,
            last: None,
            heard: Instant::now(),
            unsure: false,
            behind: false,
            began_late: false,
            origins: Origins::default(),
            ready: VecDeque::new(),
        }
    }

    /// One attempt to begin.
    pub(crate) async fn begin(&mut self) {
        if let Err(away) = self.step().await {
            self.broken(&away);
        }
    }

    /// Gets further: connected, begun, or with what came.
    async fn step(&mut self) -> Result<(), Away> {
        if self.connection.is_none() {
            self.connection = Some(self.shared.redis.dedicated().await?);
            self.unsure = true;
        }
        let Some(last) = self.last else {
            self.mark().await?;
            if self.began_late {
                self.lose("the bus was away at the start");
            }
            return Ok(());
        };
        let silence = self.shared.config.beat * BEATS;
        if self.unsure || self.behind || self.heard.elapsed() > silence {
            self.read_surely(last).await
        } else {
            self.read(last).await
        }
    }

    /// Begins, or begins anew, at the stream's end: an entry of our own is the first to stand on.
    async fn mark(&mut self) -> Result<(), Away> {
        let entry =
            Entry { kind: Kind::Mark, origin: self.shared.origin, count: 0, head: Bytes::new() };
        let mut append = cmd("XADD");
        append.arg(&self.shared.keys.stream).arg("*").arg(HEADER).arg(&*entry.encode());
        let id: Value = self.ask(&append, Duration::ZERO).await?;
        self.last = Some(Id::of(&id).ok_or(Away::Unexpected)?);
        self.heard = Instant::now();
        self.unsure = false;
        self.behind = false;
        self.pauses.reset();
        Ok(())
    }

    /// Waits for entries.
    async fn read(&mut self, last: Id) -> Result<(), Away> {
        let wait = self.shared.config.beat;
        let read = self.xread(last, Some(wait));
        let answer = self.ask(&read, wait).await?;
        self.take(answer)
    }

    /// Reads without waiting, and makes sure that nothing is missing.
    async fn read_surely(&mut self, last: Id) -> Result<(), Away> {
        let read = self.xread(last, None);
        let (key, id) = (&self.shared.keys.stream, last.to_string());
        let mut both = pipe();
        // In this order: if the last entry is there after the reading, it was there before.
        both.add_command(read).cmd("XRANGE").arg(key).arg(&id).arg(&id);
        let (answer, found): (Value, Vec<Value>) = self.ask_all(&both).await?;
        if found.is_empty() {
            self.mark().await?;
            self.lose("the last entry read is no longer in the stream");
            return Ok(());
        }
        if std::mem::take(&mut self.unsure) {
            self.origins.watch(self.shared.config.retention, Instant::now().into_std());
        }
        self.heard = Instant::now();
        self.pauses.reset();
        self.take(answer)
    }

    fn xread(&self, last: Id, wait: Option<Duration>) -> Cmd {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(MOST);
        if let Some(wait) = wait {
            // Redis takes 0 for ever.
            read.arg("BLOCK").arg(millis(wait).max(1));
        }
        read.arg("STREAMS").arg(&self.shared.keys.stream).arg(last.to_string());
        read
    }

    /// Takes what was read.
    fn take(&mut self, answer: Value) -> Result<(), Away> {
        let now = Instant::now();
        let entries = stream::read(answer).ok_or(Away::Unexpected)?;
        self.behind = entries.len() >= MOST;
        if !entries.is_empty() {
            self.heard = now;
        }
        for value in entries {
            let (id, content) = stream::entry(value).ok_or(Away::Unexpected)?;
            self.last = Some(id);
            match content {
                Some((entry, _)) if entry.origin == self.shared.origin => {}
                Some((entry, body)) => self.hear(entry, body, now),
                None => tracing::warn!("an entry of the cluster's stream is of an unknown kind"),
            }
        }
        let patience = self.shared.config.beat * BEATS;
        if self.origins.missing(patience, now.into_std()) {
            self.lose("a host did not come back after an outage");
        }
        Ok(())
    }

    fn hear(&mut self, entry: Entry, body: Bytes, now: Instant) {
        let Entry { kind, origin, count, head } = entry;
        if kind == Kind::Mark {
            return;
        }
        match self.origins.hear(origin, count, now.into_std()) {
            Heard::Repeat => return,
            _ if kind == Kind::Dropped => return self.report("a host dropped notices"),
            Heard::Next => {}
            Heard::After(missing) => {
                let reason = format!("{missing} notices of a host are missing");
                self.report(&reason);
            }
        }
        let body = match kind {
            Kind::Farewell => return self.origins.farewell(origin),
            Kind::Notice => Body::Here(body),
            Kind::Beside => Body::Beside(Arc::from(self.shared.keys.body(origin, count))),
            Kind::Mark | Kind::Beat | Kind::Dropped => return,
        };
        self.shared.received();
        self.ready.push_back(Received::Notice { head, body });
    }

    /// Anything said before this moment may be missing.
    fn lose(&mut self, reason: &str) {
        self.origins.excuse();
        self.report(reason);
    }

    fn report(&mut self, reason: &str) {
        self.shared.lost();
        self.ready.push_back(Received::Lost(Arc::from(reason)));
    }

    fn broken(&mut self, away: &Away) {
        self.connection = None;
        self.began_late |= self.last.is_none();
        tracing::debug!(reason = %away, "other hosts can't be heard for now");
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd, wait: Duration) -> Result<T, Away> {
        let limit = wait + self.shared.config.answer_timeout;
        let connection = self.connection.as_mut().ok_or(Away::Disconnected)?;
        answer(timeout(limit, command.query_async(&mut **connection)).await)
    }

    async fn ask_all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, Away> {
        let limit = self.shared.config.answer_timeout;
        let connection = self.connection.as_mut().ok_or(Away::Disconnected)?;
        answer(timeout(limit, commands.query_async(&mut **connection)).await)
    }
}

fn answer<T>(answer: Result<RedisResult<T>, tokio::time::error::Elapsed>) -> Result<T, Away> {
    match answer {
        Ok(answer) => answer.map_err(Away::from),
        Err(_) => Err(Away::TimedOut),
    }
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Received {
        loop {
            if let Some(received) = self.ready.pop_front() {
                return received;
            }
            if let Err(away) = self.step().await {
                self.broken(&away);
                self.pauses.pause().await;
            }
        }
    }

    async fn fetch(&mut self, body: Body) -> Option<Bytes> {
        let name = match body {
            Body::Here(bytes) => return Some(bytes),
            Body::Beside(name) => name,
        };
        let mut get = cmd("GET");
        get.arg(&*name);
        // As long as it may be there, it is worth another attempt.
        let until = Instant::now() + self.shared.config.retention;
        loop {
            let found = match self.connection {
                Some(_) => self.ask::<Value>(&get, FETCH_WAIT).await,
                None => match self.shared.redis.dedicated().await {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        self.unsure = true;
                        continue;
                    }
                    Err(away) => Err(away),
                },
            };
            match found {
                Ok(Value::BulkString(bytes)) => {
                    self.pauses.reset();
                    return Some(Bytes::from(bytes));
                }
                Ok(_) => break,
                Err(_) if Instant::now() >= until => break,
                Err(away) => self.broken(&away),
            }
            self.pauses.pause().await;
        }
        self.shared.lost();
        None
    }
}
