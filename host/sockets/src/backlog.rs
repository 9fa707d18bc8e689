//! What one client has sent and the component has not handled yet. Beyond a soft bound the client
//! is not read from; beyond the hard one, which only what was read in one go can exceed, it is
//! disconnected.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{config::Config, transport::Link};

/// The soft bound's part of the hard one.
const SOFT_PART: usize = 8;

/// Sockets one connection may have, those included that it has just left.
const MAX_SOCKETS: usize = 32;

/// Counts over all sockets of one connection.
pub(crate) struct Backlog {
    link: Arc<Link>,
    most_events: usize,
    most_bytes: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
    /// Sockets that came and of which the component has not heard the last.
    sockets: AtomicUsize,
}

impl Backlog {
    pub(crate) fn new(link: Arc<Link>, config: &Config) -> Self {
        Self {
            link,
            most_events: config.inbound_events,
            most_bytes: config.inbound_bytes,
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        }
    }

    /// Counts a socket; false if the client comes and goes faster than the component can follow.
    pub(crate) fn entered(&self) -> bool {
        self.sockets.fetch_add(1, Ordering::AcqRel) < MAX_SOCKETS
    }

    /// The component has heard the last of a socket.
    pub(crate) fn left(&self) {
        self.sockets.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts an event; false if that is one too many.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let events = self.events.fetch_add(1, Ordering::AcqRel) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        if events > self.most_events / SOFT_PART || bytes > self.most_bytes / SOFT_PART {
            self.link.pause();
            // The last of them may have been handled in between.
            self.resume_if_low();
        }
        events <= self.most_events && bytes <= self.most_bytes
    }

    /// An event has been handled.
    pub(crate) fn done(&self, bytes: usize) {
        self.events.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.resume_if_low();
    }

    fn resume_if_low(&self) {
        let half = SOFT_PART * 2;
        if self.events.load(Ordering::Acquire) <= self.most_events / half
            && self.bytes.load(Ordering::Acquire) <= self.most_bytes / half
        {
            self.link.resume();
        }
    }
}
