//! One queue's deliveries in this process: what was read ahead, what is out, when to look again.
//!
//! Filled by the writer thread after each read's transaction, emptied by consumers. Nothing here
//! survives the process, and nothing here needs to: whatever is not settled on disk is due again.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::table::Waiting;

#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Read ahead, or returned by a consumer; in the order to deliver.
    ready: VecDeque<Waiting>,
    /// Retried events that are read ahead or out, so that they are not read again.
    taken: HashSet<i64>,
    /// The last fresh event that was read ahead. All those before were, too.
    read_to: i64,
    /// There may be fresh events after that.
    fresh: bool,
    /// When a retry is due, in milliseconds since the epoch.
    next_due: Option<i64>,
    /// A read is under way.
    reading: bool,
}

/// What a consumer should do.
pub(crate) enum Step {
    /// Handle this.
    Deliver(Waiting),
    /// Read more, then look again; nobody else is told to.
    Read(Read),
    /// Wait for a change, or until something is due (milliseconds since the epoch).
    Wait(Option<i64>),
}

/// What to read.
pub(crate) struct Read {
    pub(crate) reading: Reading,
    /// Fresh events after this position.
    pub(crate) after: i64,
    /// Retried events already known, which will be among those read.
    pub(crate) known: usize,
}

/// A read under way. Dropped before it ends, it lets the next consumer try.
pub(crate) struct Reading(Option<Arc<Lane>>);

impl Reading {
    /// The read ended.
    pub(crate) fn filled(mut self, found: Found) {
        if let Some(lane) = self.0.take() {
            lane.filled(found);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.lock().reading = false;
            lane.changed.notify_waiters();
        }
    }
}

/// What was read.
pub(crate) struct Found {
    pub(crate) due: Vec<Waiting>,
    pub(crate) fresh: Vec<Waiting>,
    /// There are more fresh events.
    pub(crate) more: bool,
    pub(crate) next_due: Option<i64>,
}

impl Lane {
    /// A lane over a queue that may hold events already.
    pub(crate) fn new() -> Self {
        let lane = Self::default();
        lane.lock().fresh = true;
        lane
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves at the next change. Enable it before [`Self::step`], so that none is missed.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    pub(crate) fn step(self: &Arc<Self>, now: i64) -> Step {
        let mut state = self.lock();
        if let Some(waiting) = state.ready.pop_front() {
            return Step::Deliver(waiting);
        }
        let is_due = state.next_due.is_some_and(|due| due <= now);
        if (state.fresh || is_due) && !state.reading {
            state.reading = true;
            let reading = Reading(Some(Arc::clone(self)));
            return Step::Read(Read { reading, after: state.read_to, known: state.taken.len() });
        }
        // While a read is under way its end is the change to wait for.
        Step::Wait(if state.reading { None } else { state.next_due })
    }

    fn filled(&self, found: Found) {
        let mut state = self.lock();
        state.reading = false;
        // Retries first: they are few, and their pauses grow.
        for waiting in found.due {
            if state.taken.insert(waiting.position) {
                state.ready.push_back(waiting);
            }
        }
        for waiting in found.fresh {
            state.read_to = state.read_to.max(waiting.position);
            state.ready.push_back(waiting);
        }
        // An event published since has set this again: its transaction came later.
        state.fresh = found.more;
        state.next_due = found.next_due;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Events were published.
    pub(crate) fn published(&self) {
        self.lock().fresh = true;
        self.changed.notify_waiters();
    }

    /// An event was settled on disk, and is due again at a time if it was a retry.
    pub(crate) fn settled(&self, position: i64, due: Option<i64>) {
        self.lock().taken.remove(&position);
        if let Some(due) = due {
            self.due(due);
        }
    }

    /// Something is due at a time, in milliseconds since the epoch.
    pub(crate) fn due(&self, due: i64) {
        let mut state = self.lock();
        state.next_due = Some(state.next_due.map_or(due, |next| next.min(due)));
        drop(state);
        self.changed.notify_waiters();
    }

    /// A delivery comes back unsettled: it is next.
    pub(crate) fn returned(&self, waiting: Waiting) {
        self.lock().ready.push_front(waiting);
        self.changed.notify_waiters();
    }
}
