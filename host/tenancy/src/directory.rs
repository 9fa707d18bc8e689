//! The tenants of this host: found by host name, opened when somebody asks for them, closed again
//! when nobody does.
//!
//! A tenant that is not open ("cold") is a record in memory: no thread, no task, no connection, no
//! instance. The first request opens it; others that come meanwhile wait for the same opening. One
//! task for all tenants closes those that were idle for long, and the longest idle ones when too
//! many are open.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use pingtalk_capabilities::TenantId;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::control::TenantRecord;

/// Tenants that follow their records at once: one whose store is away holds up nobody else.
const FOLLOWING: usize = 16;

/// The bounds of a [`Directory`].
#[derive(Debug, Clone, Copy)]
pub struct DirectoryConfig {
    /// How long an unused tenant stays open.
    pub idle: Duration,
    /// Tenants open at once. Over it the longest idle ones are closed early; those in use stay.
    pub open: usize,
    /// Tenants being opened at once; the others wait.
    pub opening: usize,
    /// How long a failed opening is not tried again.
    pub retry: Duration,
    /// How often idle tenants are looked for.
    pub sweep: Duration,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(300),
            open: 200,
            opening: 4,
            retry: Duration::from_secs(2),
            sweep: Duration::from_secs(5),
        }
    }
}

/// Why a tenant can't be opened now. The text is for logs and operators.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub Arc<str>);

/// Opens and closes tenants: what the composition root knows how to do.
#[async_trait]
pub trait Opener: Send + Sync + 'static {
    /// An open tenant.
    type Open: Send + Sync + 'static;

    /// Opens a tenant: its backends, its releases, its routes.
    async fn open(&self, record: &TenantRecord) -> Result<Self::Open, OpenError>;

    /// Brings an open tenant in line with its record, while it serves.
    async fn follow(&self, open: &Self::Open, record: &TenantRecord) -> Result<(), OpenError>;

    /// True when nobody would miss it: no sockets, no calls, no events on their way.
    async fn is_idle(&self, open: &Self::Open) -> bool;

    /// Ends it in good order, by the deadline.
    async fn close(&self, open: Arc<Self::Open>, deadline: Instant);
}

/// A tenant of this host, open or cold.
pub struct Entry<O: Opener> {
    record: ArcSwap<TenantRecord>,
    open: ArcSwapOption<O::Open>,
    /// Opening, following and closing happen one after the other.
    turn: Mutex<Turn>,
    /// When it was last asked for, in milliseconds of the directory's clock.
    used: AtomicU64,
    /// The record is another one than the tenant was opened with or followed.
    changed: AtomicBool,
}

#[derive(Default)]
struct Turn {
    /// The last opening, if it failed.
    failed: Option<(Instant, OpenError)>,
    /// It is open and could not follow its record.
    lagging: bool,
    removed: bool,
}

/// Every tenant of this host.
pub struct Directory<O: Opener> {
    opener: O,
    config: DirectoryConfig,
    started: Instant,
    tenants: ArcSwap<Tenants<O>>,
    opening: Semaphore,
    /// Changes of the set of tenants happen one after the other.
    changing: Mutex<()>,
}

struct Tenants<O: Opener> {
    by_name: BTreeMap<String, Arc<Entry<O>>>,
    by_host: HashMap<String, Arc<Entry<O>>>,
}

impl<O: Opener> Entry<O> {
    fn new(record: TenantRecord, now: u64) -> Self {
        Self {
            record: ArcSwap::from_pointee(record),
            open: ArcSwapOption::empty(),
            turn: Mutex::default(),
            used: AtomicU64::new(now),
            changed: AtomicBool::new(false),
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> Arc<TenantRecord> {
        self.record.load_full()
    }

    /// The tenant, if it is open.
    #[must_use]
    pub fn open(&self) -> Option<Arc<O::Open>> {
        self.open.load_full()
    }
}

impl<O: Opener> Directory<O> {
    /// A directory without tenants.
    #[must_use]
    pub fn new(opener: O, config: DirectoryConfig) -> Arc<Self> {
        let tenants = Tenants { by_name: BTreeMap::new(), by_host: HashMap::new() };
        Arc::new(Self {
            opener,
            started: Instant::now(),
            tenants: ArcSwap::from_pointee(tenants),
            opening: Semaphore::new(config.opening.max(1)),
            config,
            changing: Mutex::new(()),
        })
    }

    /// The tenant of a host name (without the port), else the default one. Notes that it is used.
    #[must_use]
    pub fn find(&self, host: Option<&str>) -> Option<Arc<Entry<O>>> {
        let tenants = self.tenants.load();
        let entry = host.and_then(|host| {
            // Host names are seldom sent in capitals.
            let lower = host.bytes().any(|byte| byte.is_ascii_uppercase());
            if lower {
                tenants.by_host.get(&host.to_ascii_lowercase())
            } else {
                tenants.by_host.get(host)
            }
        });
        let entry = entry.or_else(|| {
            // It is served under every name that nobody claims, unless it has names of its own.
            tenants
                .by_name
                .get(TenantId::DEFAULT)
                .filter(|entry| entry.record.load().hosts.is_empty())
        })?;
        self.touch(entry);
        Some(Arc::clone(entry))
    }

    /// A tenant by its name.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Arc<Entry<O>>> {
        self.tenants.load().by_name.get(name).map(Arc::clone)
    }

    /// Every tenant, by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<Arc<Entry<O>>> {
        self.tenants.load().by_name.values().map(Arc::clone).collect()
    }

    /// Opens a tenant unless it is open.
    ///
    /// # Errors
    /// When it can't be opened, or could not just before.
    pub async fn wake(&self, entry: &Entry<O>) -> Result<Arc<O::Open>, OpenError> {
        if let Some(open) = entry.open() {
            return Ok(open);
        }
        let mut turn = entry.turn.lock().await;
        if let Some(open) = entry.open() {
            return Ok(open);
        }
        if turn.removed {
            return Err(OpenError("the tenant was removed".into()));
        }
        if let Some((at, error)) = &turn.failed
            && at.elapsed() < self.config.retry
        {
            return Err(error.clone());
        }
        let permit = self.opening.acquire().await;
        let record = entry.record();
        let started = Instant::now();
        let opened = self.opener.open(&record).await;
        drop(permit);
        match opened {
            Ok(open) => {
                let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(tenant = record.name, milliseconds = took, "tenant opened");
                let open = Arc::new(open);
                turn.failed = None;
                self.touch(entry);
                entry.open.store(Some(Arc::clone(&open)));
                Ok(open)
            }
            Err(error) => {
                tracing::error!(tenant = record.name, %error, "a tenant can't be opened");
                turn.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Takes over what the control store says. Tenants that are open follow at once, those that
    /// lagged behind try again; those that are gone are closed. Returns the tenants that could not
    /// follow, which serve as before.
    pub async fn update(&self, records: Vec<TenantRecord>) -> Vec<(String, OpenError)> {
        let gone = self.replace(records).await;
        // A cold tenant has nothing to follow with; what opens it reads the record again.
        let concerned = self
            .tenants()
            .into_iter()
            .filter(|entry| entry.open.load().is_some() || entry.changed.load(Ordering::Acquire));
        let followed = stream::iter(concerned)
            .map(|entry| async move { self.follow(&entry).await })
            .buffer_unordered(FOLLOWING)
            .filter_map(std::future::ready)
            .collect()
            .await;
        stream::iter(gone)
            .for_each_concurrent(FOLLOWING, |entry| async move {
                entry.turn.lock().await.removed = true;
                self.close(&entry, Instant::now() + crate::DRAIN_TIME).await;
            })
            .await;
        followed
    }

    /// Has one tenant follow its record, if it is open and has to. What went wrong, if anything did.
    async fn follow(&self, entry: &Entry<O>) -> Option<(String, OpenError)> {
        let mut turn = entry.turn.lock().await;
        let changed = entry.changed.swap(false, Ordering::AcqRel);
        if changed {
            turn.failed = None;
        }
        let open = entry.open().filter(|_| changed || turn.lagging)?;
        let record = entry.record();
        let followed = self.opener.follow(&open, &record).await;
        turn.lagging = followed.is_err();
        let error = followed.err()?;
        tracing::error!(tenant = record.name, %error, "a tenant can't follow its record");
        Some((record.name.clone(), error))
    }

    /// Puts these records in place of the old ones; returns the tenants that are gone.
    async fn replace(&self, records: Vec<TenantRecord>) -> Vec<Arc<Entry<O>>> {
        let _changing = self.changing.lock().await;
        let old = self.tenants.load_full();
        let mut tenants = Tenants { by_name: BTreeMap::new(), by_host: HashMap::new() };
        for record in records {
            let entry = match old.by_name.get(&record.name) {
                Some(entry) => Arc::clone(entry),
                None => Arc::new(Entry::new(record.clone(), self.now())),
            };
            for host in &record.hosts {
                tenants.by_host.insert(host.clone(), Arc::clone(&entry));
            }
            let name = record.name.clone();
            if **entry.record.load() != record {
                entry.record.store(Arc::new(record));
                entry.changed.store(true, Ordering::Release);
            }
            tenants.by_name.insert(name, entry);
        }
        let gone = old
            .by_name
            .iter()
            .filter(|(name, _)| !tenants.by_name.contains_key(*name))
            .map(|(_, entry)| Arc::clone(entry))
            .collect();
        self.tenants.store(Arc::new(tenants));
        gone
    }

    /// Closes a tenant; the next request opens it again.
    pub async fn close(&self, entry: &Entry<O>, deadline: Instant) {
        let turn = entry.turn.lock().await;
        if let Some(open) = entry.open.swap(None) {
            self.opener.close(open, deadline).await;
        }
        drop(turn);
    }

    /// Closes what is idle, until told to stop.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.config.sweep)).await.is_some() {
            let mut open: Vec<_> =
                self.tenants().into_iter().filter(|entry| entry.open.load().is_some()).collect();
            let excess = open.len().saturating_sub(self.config.open);
            open.sort_by_key(|entry| entry.used.load(Ordering::Relaxed));
            for (index, entry) in open.into_iter().enumerate() {
                let unused = self.now().saturating_sub(entry.used.load(Ordering::Relaxed));
                // Requests that found it before are over after their deadlines.
                let patience = if index < excess { BUSY_TIME } else { self.config.idle };
                if u128::from(unused) < patience.as_millis() {
                    continue;
                }
                let Some(tenant) = entry.open() else { continue };
                if self.opener.is_idle(&tenant).await {
                    drop(tenant);
                    tracing::debug!(tenant = entry.record().name, "idle tenant closed");
                    self.close(&entry, Instant::now() + crate::DRAIN_TIME).await;
                }
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self, entry: &Entry<O>) {
        entry.used.store(self.now(), Ordering::Relaxed);
    }
}

/// A request that was led to a tenant may need this long to reach it.
const BUSY_TIME: Duration = Duration::from_secs(10);
