//! The cluster trait over Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    cluster::{Cluster, ClusterBackend, ClusterError, Notice, Stats, Subscription},
};
use pingtalk_redis_connection::Redis;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    config::Config,
    entry::{Keys, Kind, Origin},
    pending::Pending,
    reader::Reader,
    writer,
};

/// Buses on one Redis.
pub struct RedisCluster {
    redis: Redis,
    config: Config,
}

impl RedisCluster {
    /// Uses the Redis at the end of this connection, over connections of its own.
    #[must_use]
    pub fn new(redis: Redis, config: Config) -> Self {
        Self { redis, config }
    }
}

#[async_trait]
impl ClusterBackend for RedisCluster {
    /// Starts writing on the current runtime, which must outlive the bus.
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cluster>, ClusterError> {
        if self.config.beat.is_zero() || self.config.beat * 6 > self.config.retention {
            let reason = "the beat must be at most a sixth of the retention, and not 0";
            return Err(ClusterError::Invalid(reason.to_owned()));
        }
        let shared = Arc::new(Shared {
            redis: self.redis.clone(),
            keys: Keys::new(tenant),
            origin: Origin::random(),
            pending: Pending::new(&self.config),
            received: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            config: self.config.clone(),
        });
        let writer = tokio::spawn(writer::run(Arc::clone(&shared)));
        Ok(Arc::new(Bus { shared, writer }))
    }
}

/// What the parts of one host's bus share.
pub(crate) struct Shared {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) origin: Origin,
    pub(crate) pending: Pending,
    pub(crate) config: Config,
    received: AtomicU64,
    lost: AtomicU64,
}

impl Shared {
    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// One tenant's bus.
struct Bus {
    shared: Arc<Shared>,
    writer: JoinHandle<()>,
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

#[async_trait]
impl Cluster for Bus {
    async fn publish(&self, notice: Notice) {
        let Notice { head, body } = notice;
        let beside = body.len() > self.shared.config.beside_bytes;
        let kind = if beside { Kind::Beside } else { Kind::Notice };
        if let Some(taken) = self.shared.pending.push(kind, head, body) {
            // However this ends: it has been taken, or is kept for later.
            let _ = timeout(self.shared.config.patience, taken).await;
        }
    }

    async fn subscribe(&self) -> Box<dyn Subscription> {
        let mut reader = Reader::new(Arc::clone(&self.shared));
        reader.begin().await;
        Box::new(reader)
    }

    async fn leave(&self, within: Duration) -> bool {
        self.shared.pending.push(Kind::Farewell, Bytes::new(), Bytes::new());
        timeout(within, self.shared.pending.emptied()).await.is_ok()
    }

    fn stats(&self) -> Stats {
        let figures = self.shared.pending.figures();
        Stats {
            connected: figures.open,
            published: figures.taken,
            received: self.shared.received.load(Ordering::Relaxed),
            pending: figures.waiting,
            pending_bytes: figures.bytes,
            lost: self.shared.lost.load(Ordering::Relaxed) + figures.dropped,
        }
    }
}
