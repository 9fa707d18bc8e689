//! What is known of one instance outside its store: the calls in it, and the switches by which
//! the watchdog stops it. A running store can't be touched from elsewhere; dropping it is the only
//! way to end a guest that does not end itself.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use futures_util::task::AtomicWaker;

use crate::{
    clock,
    ticket::{Ended, Ticket},
};

/// How long an overdue call may take to end by itself (its import has just timed out, say) before
/// its instance takes no more calls.
const GRACE_MILLIS: u64 = 20;
/// How long an instance with an overdue call may fail to come back to its worker.
const STUCK_MILLIS: u64 = 50;
/// How much an instance with an overdue call may compute before it is dropped under the others.
const BURN_NANOS: u64 = 250_000_000;

/// One instance, seen from outside.
pub(crate) struct Control {
    /// Whose queue it takes calls from. Its thread runs it, unless it has moved to the background.
    pub(crate) core: usize,
    /// It runs on a background thread, its core's own or one that it moved to.
    background: AtomicBool,
    /// Wakes the worker.
    pub(crate) waker: AtomicWaker,
    /// Counts the worker's turns inside the store: one that stands still is stuck in guest code.
    pub(crate) turns: AtomicU32,
    /// Guest code has been running for a whole tick.
    pub(crate) spinning: AtomicBool,
    /// CPU time used, in nanoseconds.
    pub(crate) busy: AtomicU64,
    /// Linear memory, in bytes.
    pub(crate) memory: AtomicUsize,
    stopped: AtomicBool,
    killed: OnceLock<&'static str>,
    broken: AtomicBool,
    in_flight: AtomicUsize,
    concurrency: usize,
    calls: Mutex<Calls>,
    /// Calls taken so far.
    admitted: AtomicU64,
    /// The watchdog's memory: how many it had taken when it was last found idle, and since when.
    idle_at: AtomicU64,
    idle_since: AtomicU64,
}

#[derive(Default)]
struct Calls {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
}

struct Entry {
    ticket: Arc<Ticket>,
    overdue: Option<Overdue>,
}

/// The state of things when a call became overdue.
#[derive(Clone, Copy)]
struct Overdue {
    since: u64,
    turn: u32,
    busy: u64,
}

/// What an inspection found.
#[derive(Default)]
pub(crate) struct Inspection {
    /// Calls that have just become overdue.
    pub(crate) overdue: u64,
    /// The instance takes no more calls.
    pub(crate) stopped: bool,
}

/// A call's place in an instance.
pub(crate) struct Place {
    control: Arc<Control>,
    slot: usize,
    pub(crate) ticket: Arc<Ticket>,
}

impl Control {
    pub(crate) fn new(core: usize, concurrency: usize, background: bool) -> Arc<Self> {
        Arc::new(Self {
            core,
            background: AtomicBool::new(background),
            waker: AtomicWaker::new(),
            turns: AtomicU32::new(0),
            spinning: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            killed: OnceLock::new(),
            broken: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            concurrency,
            calls: Mutex::new(Calls::default()),
            admitted: AtomicU64::new(0),
            idle_at: AtomicU64::new(0),
            idle_since: AtomicU64::new(clock::now()),
        })
    }

    /// Calls in the instance, those whose responses still stream included.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many more calls it can take now.
    pub(crate) fn room(&self) -> usize {
        if self.stopped.load(Ordering::Relaxed) || self.spinning.load(Ordering::Relaxed) {
            0
        } else {
            self.concurrency.saturating_sub(self.in_flight())
        }
    }

    pub(crate) fn in_background(&self) -> bool {
        self.background.load(Ordering::Relaxed)
    }

    pub(crate) fn move_to_background(&self) {
        self.background.store(true, Ordering::Relaxed);
    }

    /// Takes no more calls; ends once those in it are done.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Drops the store at the next opportunity. The first reason counts.
    pub(crate) fn kill(&self, reason: &'static str) {
        let _ = self.killed.set(reason);
        self.stop();
    }

    /// Why the store must be dropped, if it must.
    pub(crate) fn killed(&self) -> Option<&'static str> {
        self.killed.get().copied()
    }

    /// The store is about to be dropped under its calls: their streams are cut, not ended.
    pub(crate) fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a call a place.
    pub(crate) fn admit(self: &Arc<Self>, ticket: Arc<Ticket>) -> Place {
        let entry = Some(Entry { ticket: Arc::clone(&ticket), overdue: None });
        let mut calls = self.calls();
        let slot = match calls.free.pop() {
            Some(slot) => {
                if let Some(place) = calls.slots.get_mut(slot) {
                    *place = entry;
                }
                slot
            }
            None => {
                calls.slots.push(entry);
                calls.slots.len() - 1
            }
        };
        drop(calls);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.admitted.fetch_add(1, Ordering::Relaxed);
        Place { control: Arc::clone(self), slot, ticket }
    }

    /// Frees a call's place. In a broken instance it stays, so that [`Control::abandon`] finds the
    /// call and tells its caller.
    fn release(&self, slot: usize, ticket: &Arc<Ticket>) {
        if self.broken() {
            return;
        }
        let mut calls = self.calls();
        let Some(place) = calls.slots.get_mut(slot) else { return };
        if place.as_ref().is_none_or(|entry| !Arc::ptr_eq(&entry.ticket, ticket)) {
            return;
        }
        *place = None;
        calls.free.push(slot);
        drop(calls);
        let before = self.in_flight.fetch_sub(1, Ordering::Relaxed);
        // There may be calls waiting for this place, or only this one kept the instance.
        if before == self.concurrency || (before == 1 && self.stopped()) {
            self.waker.wake();
        }
    }

    /// The only call that still waits for its answer, if there is just one.
    pub(crate) fn only_call(&self) -> Option<Arc<Ticket>> {
        let calls = self.calls();
        let mut running =
            calls.slots.iter().flatten().filter(|entry| entry.ticket.ended().is_none());
        let first = running.next()?;
        running.next().is_none().then(|| Arc::clone(&first.ticket))
    }

    /// Ends every call in it for its caller: the guilty one with the reason, the others as lost.
    /// Returns how many were lost, and whether the guilty one was still waited for.
    pub(crate) fn abandon(&self, guilty: Option<&Arc<Ticket>>, reason: &Arc<str>) -> (u64, bool) {
        let mut calls = self.calls();
        let slots = std::mem::take(&mut calls.slots);
        calls.free.clear();
        drop(calls);
        self.in_flight.store(0, Ordering::Relaxed);
        // The first end of a ticket counts. The guilty call may have left its place already.
        let failed = guilty.is_some_and(|ticket| ticket.end(Ended::Failed(Arc::clone(reason))));
        let lost = slots.into_iter().flatten().filter(|entry| entry.ticket.end(Ended::Lost));
        (lost.count() as u64, failed)
    }

    /// Answers overdue calls, and stops or kills the instance that would not let go of them.
    pub(crate) fn inspect(&self, now: u64) -> Inspection {
        let mut found = Inspection::default();
        if self.in_flight() == 0 {
            return found;
        }
        let (turn, busy) = (self.turns.load(Ordering::Relaxed), self.busy.load(Ordering::Relaxed));
        let (mut others, mut expired, mut hopeless) = (0, false, false);
        let mut calls = self.calls();
        for entry in calls.slots.iter_mut().flatten() {
            match entry.overdue {
                None if entry.ticket.deadline_millis() <= now => {
                    entry.overdue = Some(Overdue { since: now, turn, busy });
                    found.overdue += u64::from(entry.ticket.end(Ended::Overdue));
                }
                None => others += 1,
                Some(overdue) if now.saturating_sub(overdue.since) >= GRACE_MILLIS => {
                    expired = true;
                    let stuck =
                        overdue.turn == turn && now.saturating_sub(overdue.since) >= STUCK_MILLIS;
                    hopeless |= stuck || busy.saturating_sub(overdue.busy) >= BURN_NANOS;
                }
                Some(_) => {}
            }
        }
        drop(calls);
        if expired && (others == 0 || hopeless) {
            self.kill("it did not let go of an overdue call");
        } else if expired {
            self.stop();
        } else if found.overdue > 0 {
            self.waker.wake();
        }
        found.stopped = expired;
        found
    }

    /// True when it has been idle for so long. Only the watchdog asks.
    pub(crate) fn idle_for(&self, now: u64, millis: u64) -> bool {
        let admitted = self.admitted.load(Ordering::Relaxed);
        if self.in_flight() > 0 || self.idle_at.swap(admitted, Ordering::Relaxed) != admitted {
            self.idle_since.store(now, Ordering::Relaxed);
            return false;
        }
        now.saturating_sub(self.idle_since.load(Ordering::Relaxed)) >= millis
    }
}

impl Place {
    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.control
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.control.release(self.slot, &self.ticket);
    }
}
