//! Where calls meet instances: a bounded queue and a bounded set of instances for each core.
//!
//! The queue belongs to the core, not to an instance: when an instance retires or dies, the calls
//! behind it go to the next one.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use pingtalk_capabilities::calls::CallError;
use tokio::runtime::Handle;

use crate::{
    call::Call,
    capabilities::{Capabilities, Names},
    component::Component,
    control::Control,
    cores,
    counters::{Counters, count},
    engine::Engine,
    exports::Exports,
    http::Outbound,
    instances::Stats,
    limits::Limits,
    residence::Residence,
    stdio::Log,
    ticket::{Ended, Ticket},
    worker,
};

/// Linear memory up to which an idle instance may stay warm, in bytes. Our services start with 2 to
/// 4 MiB.
const WARM_BYTES: usize = 16 * 1024 * 1024;

/// What a pool is doing, from the least to the most that the watchdog has to do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Activity {
    Idle,
    OnCores,
    InBackground,
}

/// A call that waits for an instance.
pub(crate) struct Job {
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) call: Call,
}

/// Everything the instances of one component, tenant and release share.
pub(crate) struct Pool {
    pub(crate) engine: Arc<Engine>,
    pub(crate) component: Arc<Component>,
    pub(crate) exports: Exports,
    pub(crate) names: Names,
    pub(crate) capabilities: Capabilities,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) limits: Limits,
    pub(crate) log: Arc<Log>,
    closing: AtomicBool,
    /// Those of the cores, then those of the background threads.
    shards: Box<[Shard]>,
}

/// One core's part.
#[derive(Default)]
struct Shard {
    inner: Mutex<Inner>,
    /// The queue's length, to be looked at without the lock.
    queued: AtomicUsize,
    /// Where workers run in a process without cores: the first caller's runtime.
    fallback: OnceLock<Handle>,
    counters: Counters,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Job>,
    workers: Vec<Arc<Control>>,
}

impl Shard {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    pub(crate) fn new(
        engine: Arc<Engine>,
        component: Arc<Component>,
        exports: Exports,
        names: Names,
        capabilities: Capabilities,
        outbound: Arc<Outbound>,
        limits: Limits,
    ) -> Arc<Self> {
        let count = engine.cores() + engine.config.background;
        let shards = (0..count).map(|_| Shard::default()).collect();
        Arc::new(Self {
            log: Log::new(names.clone()),
            outbound,
            engine,
            component,
            exports,
            names,
            capabilities,
            limits,
            closing: AtomicBool::new(false),
            shards,
        })
    }

    /// Calls that one instance takes at once.
    pub(crate) fn concurrency(&self) -> usize {
        if self.exports.blocking() { 1 } else { self.limits.concurrency.max(1) }
    }

    fn shard(&self, core: usize) -> Option<&Shard> {
        self.shards.get(core)
    }

    fn home(&self) -> usize {
        cores::current().unwrap_or(0) % self.engine.cores()
    }

    /// Whether a thread serves a core; the others are in the background.
    pub(crate) fn is_core(&self, thread: usize) -> bool {
        thread < self.engine.cores()
    }

    /// The background thread beside a core's, if there is one.
    pub(crate) fn background_runtime(&self, core: usize) -> Option<Handle> {
        let (cores, background) = (self.engine.cores(), self.engine.config.background);
        cores::runtime(cores + core.checked_rem(background)?)
    }

    /// The threads that may serve a call, the first one first: the core where it arrived and the
    /// others, or those in the background for a tenant that strains the host.
    fn candidates(&self, home: usize) -> impl Iterator<Item = usize> + use<> {
        let (cores, background) = (self.engine.cores(), self.engine.config.background);
        let (first, count) = match self.limits.quota.strains() && background > 0 {
            true => (cores, background),
            false => (0, cores),
        };
        (0..count).map(move |step| first + (home + step) % count)
    }

    pub(crate) fn counters(&self, core: usize) -> &Counters {
        static NOBODYS: OnceLock<Counters> = OnceLock::new();
        self.shard(core).map_or_else(|| NOBODYS.get_or_init(Counters::default), |s| &s.counters)
    }

    /// Those of the current core.
    pub(crate) fn home_counters(&self) -> &Counters {
        self.counters(self.home())
    }

    /// Takes a call in, on this core if it can, or refuses it.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) -> Result<(), CallError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(CallError::ShuttingDown);
        }
        let arrived = self.home();
        count(&self.counters(arrived).calls, 1);
        let mut candidates = self.candidates(arrived);
        let home = candidates.next().unwrap_or(arrived);
        let Some(mut job) = self.place(home, job) else { return Ok(()) };
        for core in candidates {
            if cores::runtime(core).is_none() {
                continue;
            }
            match self.place(core, job) {
                Some(back) => job = back,
                None => {
                    count(&self.counters(home).moved, 1);
                    return Ok(());
                }
            }
        }
        self.enqueue(home, job)
    }

    /// Gives a call to an instance of the core that has room, or to a new one. Gives it back when
    /// there is neither.
    fn place(self: &Arc<Self>, core: usize, job: Job) -> Option<Job> {
        let Some(shard) = self.shard(core) else { return Some(job) };
        let mut inner = shard.inner();
        let room: usize = inner.workers.iter().map(|worker| worker.room()).sum();
        let started = if inner.queue.len() < room {
            None
        } else if inner.workers.len() < self.limits.instances.max(1) {
            match self.start(core, shard, &mut inner) {
                Some(control) => Some(control),
                None => return Some(job),
            }
        } else {
            return Some(job);
        };
        inner.queue.push_back(job);
        shard.queued.store(inner.queue.len(), Ordering::Relaxed);
        if started.is_none() {
            wake_one(&inner);
        }
        None
    }

    /// Lets a call wait for an instance.
    fn enqueue(&self, core: usize, job: Job) -> Result<(), CallError> {
        let Some(shard) = self.shard(core) else { return Err(CallError::ShuttingDown) };
        let mut inner = shard.inner();
        // Those that an instance is about to take don't wait.
        let room: usize = inner.workers.iter().map(|worker| worker.room()).sum();
        if inner.queue.len() >= self.limits.waiting.saturating_add(room) {
            count(&shard.counters.overloaded, 1);
            return Err(CallError::Overloaded);
        }
        inner.queue.push_back(job);
        shard.queued.store(inner.queue.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Starts a worker. None when the core's thread is not there.
    fn start(
        self: &Arc<Self>,
        core: usize,
        shard: &Shard,
        inner: &mut Inner,
    ) -> Option<Arc<Control>> {
        let handle = match cores::runtime(core) {
            Some(handle) => handle,
            None => match shard.fallback.get() {
                Some(handle) => handle.clone(),
                None => {
                    let handle = Handle::try_current().ok()?;
                    shard.fallback.get_or_init(|| handle).clone()
                }
            },
        };
        let control = Control::new(core, self.concurrency(), !self.is_core(core));
        inner.workers.push(Arc::clone(&control));
        let work = worker::run(Arc::clone(self), Arc::clone(&control));
        Residence::start(&handle, Arc::clone(self), Arc::clone(&control), work);
        Some(control)
    }

    /// Finds somebody for the calls that wait, after an instance stopped taking them.
    pub(crate) fn kick(self: &Arc<Self>, core: usize) {
        let Some(shard) = self.shard(core) else { return };
        if shard.queued.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut inner = shard.inner();
        if inner.queue.is_empty() {
            return;
        }
        if !wake_one(&inner) && inner.workers.len() < self.limits.instances.max(1) {
            self.start(core, shard, &mut inner);
        }
    }

    /// True when calls wait on the core. May be a moment old.
    pub(crate) fn has_waiting(&self, core: usize) -> bool {
        self.shard(core).is_some_and(|shard| shard.queued.load(Ordering::Relaxed) > 0)
    }

    /// The next call of a core that somebody still waits for.
    pub(crate) fn take(&self, core: usize) -> Option<Job> {
        let shard = self.shard(core)?;
        let mut inner = shard.inner();
        while let Some(job) = inner.queue.pop_front() {
            if job.ticket.ended().is_none() && !job.call.abandoned() {
                shard.queued.store(inner.queue.len(), Ordering::Relaxed);
                return Some(job);
            }
        }
        shard.queued.store(0, Ordering::Relaxed);
        None
    }

    /// A worker has ended. Calls that wait go to another; after a start that failed, and with no
    /// other instance, they end with `failed`.
    pub(crate) fn leave(
        self: &Arc<Self>,
        control: &Arc<Control>,
        failed: Option<impl Fn() -> Ended>,
    ) {
        let Some(shard) = self.shard(control.core) else { return };
        count(&shard.counters.busy, control.busy.load(Ordering::Relaxed));
        let mut inner = shard.inner();
        inner.workers.retain(|worker| !Arc::ptr_eq(worker, control));
        match failed {
            Some(ended) if inner.workers.is_empty() => {
                let jobs = std::mem::take(&mut inner.queue);
                shard.queued.store(0, Ordering::Relaxed);
                drop(inner);
                for job in jobs {
                    job.ticket.end(ended());
                }
            }
            _ => {
                drop(inner);
                self.kick(control.core);
            }
        }
    }

    /// Looks for overdue calls and idle instances on all cores.
    pub(crate) fn inspect(self: &Arc<Self>, now: u64) -> Activity {
        let idle = u64::try_from(self.limits.idle.as_millis()).unwrap_or(u64::MAX);
        let mut activity = Activity::Idle;
        for (core, shard) in self.shards.iter().enumerate() {
            let mut inner = shard.inner();
            let mut overdue = 0;
            let mut stopped = false;
            let mut serving = inner.workers.iter().filter(|worker| !worker.stopped()).count();
            for worker in &inner.workers {
                if worker.in_flight() > 0 {
                    activity = activity.max(match worker.in_background() {
                        true => Activity::InBackground,
                        false => Activity::OnCores,
                    });
                }
                let found = worker.inspect(now);
                overdue += found.overdue;
                stopped |= found.stopped;
                if worker.idle_for(now, idle) && !worker.stopped() {
                    // One stays warm, but not one that has grown: linear memory never shrinks, and
                    // a picture decoded an hour ago should not cost what it took.
                    let grown = worker.memory.load(Ordering::Relaxed) > WARM_BYTES;
                    if grown || serving > 1 || worker.in_background() {
                        serving -= 1;
                        worker.stop();
                    }
                }
            }
            if !inner.queue.is_empty() {
                activity = activity.max(Activity::OnCores);
                inner.queue.retain(|job| {
                    let expired = job.ticket.deadline_millis() <= now;
                    if expired {
                        overdue += u64::from(job.ticket.end(Ended::Overdue));
                    }
                    !expired
                });
                shard.queued.store(inner.queue.len(), Ordering::Relaxed);
            }
            drop(inner);
            count(&shard.counters.deadline_exceeded, overdue);
            if stopped {
                self.kick(core);
            }
        }
        activity
    }

    /// Takes no more calls.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Calls waiting and in flight.
    pub(crate) fn load(&self) -> u64 {
        let stats = self.stats();
        stats.waiting + stats.in_flight
    }

    /// Ends every instance; with `kill`, under its calls.
    pub(crate) fn stop(&self, kill: bool) {
        for shard in &self.shards {
            let mut inner = shard.inner();
            let jobs = std::mem::take(&mut inner.queue);
            shard.queued.store(0, Ordering::Relaxed);
            for worker in &inner.workers {
                if kill { worker.kill("its release was shut down") } else { worker.stop() }
            }
            drop(inner);
            for job in jobs {
                job.ticket.end(Ended::Lost);
            }
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for shard in &self.shards {
            let inner = shard.inner();
            stats.waiting += inner.queue.len() as u64;
            for worker in &inner.workers {
                stats.instances += 1;
                stats.in_flight += worker.in_flight() as u64;
                stats.memory_bytes += worker.memory.load(Ordering::Relaxed) as u64;
                stats.busy += Duration::from_nanos(worker.busy.load(Ordering::Relaxed));
            }
            drop(inner);
            shard.counters.add_to(&mut stats);
        }
        stats
    }
}

/// Wakes an instance that has room. False when none has.
fn wake_one(inner: &Inner) -> bool {
    match inner.workers.iter().find(|worker| worker.room() > 0) {
        Some(worker) => {
            worker.waker.wake();
            true
        }
        None => false,
    }
}
