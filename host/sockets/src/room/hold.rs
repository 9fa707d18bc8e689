//! What a room keeps back for one socket while its history is being sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::AbortHandle;

use crate::broadcast::Broadcast;

/// How much one socket has held back over all its rooms.
#[derive(Debug, Default)]
pub(crate) struct Held {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

/// The bounds of [`Held`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldBounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Events kept back for a socket in a room. Dropping it frees their share of the bounds.
#[derive(Debug)]
pub(crate) struct Hold {
    events: Vec<(Option<u64>, Arc<Broadcast>)>,
    bytes: usize,
    held: Arc<Held>,
    /// Ends the socket if nobody releases it.
    timer: AbortHandle,
    /// Tells this hold's timer from a former one's.
    pub(super) id: u64,
}

impl Hold {
    pub(super) fn new(held: Arc<Held>, timer: AbortHandle, id: u64) -> Self {
        Self { events: Vec::new(), bytes: 0, held, timer, id }
    }

    /// A further hold while one is on: its time starts anew.
    pub(super) fn renew(&mut self, timer: AbortHandle, id: u64) {
        std::mem::replace(&mut self.timer, timer).abort();
        self.id = id;
    }

    /// Keeps an event back; false over the bounds.
    pub(super) fn push(
        &mut self,
        number: Option<u64>,
        event: &Arc<Broadcast>,
        bounds: HoldBounds,
    ) -> bool {
        let bytes = event.bytes();
        // Counted before it is kept, so that the sums in `drop` are right either way.
        let events_held = self.held.events.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes_held = self.held.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        // A late event takes its place among the others.
        let behind = |other: &(Option<u64>, _)| matches!((other.0, number), (Some(other), Some(number)) if other > number);
        let from_end = self.events.iter().rev().take_while(|other| behind(other)).count();
        self.events.insert(self.events.len() - from_end, (number, Arc::clone(event)));
        events_held <= bounds.events && bytes_held <= bounds.bytes
    }

    /// The events above `after`, in order.
    pub(super) fn release(mut self, after: u64) -> Vec<Arc<Broadcast>> {
        let freed = self.events.len();
        let events = std::mem::take(&mut self.events);
        self.held.events.fetch_sub(freed, Ordering::Relaxed);
        events
            .into_iter()
            .filter(|(number, _)| number.is_none_or(|number| number > after))
            .map(|(_, event)| event)
            .collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.timer.abort();
        self.held.events.fetch_sub(self.events.len(), Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
