//! What a host owes the cache, and how it pays as soon as Redis can be reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use pingtalk_redis_connection::Redis;
use tokio::time::{sleep, timeout};

use crate::{owed::Owed, recent::Recent};

/// Deletions in one command.
const BATCH: usize = 500;
/// How long to wait after Redis refused, as it does while it can't write.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a missed reconnection would be noticed all the same.
const LOOK: Duration = Duration::from_secs(5);
/// The longest that the original, and hence any host, keeps a value (`chat:allowed:…`).
const ORIGINALS_TTL: Duration = Duration::from_secs(3_600);

/// What may be old in Redis.
pub(crate) struct Debts {
    pub(crate) owed: Owed,
    pub(crate) recent: Recent,
    /// The longest life of a value that this host has stored, in milliseconds.
    longest_ms: AtomicU64,
}

impl Debts {
    pub(crate) fn new(max: usize, redis: &Redis) -> Self {
        let (owed, recent) = (Owed::new(max), Recent::new(max, redis));
        Self { owed, recent, longest_ms: AtomicU64::new(0) }
    }

    /// A value is about to be stored for this long.
    pub(crate) fn stores_for(&self, ttl: Duration) {
        self.longest_ms.fetch_max(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_ms.load(Relaxed)).max(ORIGINALS_TTL)
    }

    /// A change to this key is about to be sent.
    pub(crate) fn changes(&self, key: &str) {
        self.recent.add(key, self.longest());
    }

    /// Changes to these keys did not reach Redis, or not for certain.
    pub(crate) fn owe(&self, keys: Vec<String>) {
        self.owed.add(keys, self.longest());
    }

    /// Whether a value under this key may be old.
    pub(crate) fn hides(&self, key: &str) -> bool {
        self.recent.hand_over(&self.owed, self.longest());
        self.owed.hides(key)
    }
}

/// Pays, for as long as the cache is open.
pub(crate) async fn run(redis: Redis, debts: Arc<Debts>) {
    let mut reconnected = redis.reconnected();
    loop {
        tokio::select! {
            () = debts.owed.some() => {}
            () = debts.recent.replaced() => {
                debts.recent.hand_over(&debts.owed, debts.longest());
                continue;
            }
        }
        reconnected.borrow_and_update();
        if !redis.is_connected() {
            // Its end means that the connection is no more, and so are we, soon.
            let _ = timeout(LOOK, reconnected.changed()).await;
            continue;
        }
        let due = debts.owed.due(BATCH);
        let mut command = redis::cmd("UNLINK");
        for due in &due {
            command.arg(&due.key);
        }
        match redis.query::<u64>(&command).await {
            Ok(deleted) => {
                debts.owed.settled(&due);
                tracing::info!(keys = due.len(), deleted, "deleted what may be old in the cache");
            }
            Err(error) => {
                tracing::debug!(%error, "can't yet delete what may be old in the cache");
                sleep(PAUSE).await;
            }
        }
    }
}
