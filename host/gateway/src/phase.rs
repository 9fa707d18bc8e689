//! Where one connection stands, told by those who know (the transport, the service, the response)
//! to the one who watches the clock.
//!
//! All of it runs on one thread; the atomics are there because a task must be `Send`.
//!
//! A request changes the phase several times, so entering one does not ask for the time: the next
//! look at the clock does. A bound is therefore kept at the latest one look later, and looks are
//! never further apart than the shortest bound that could apply.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::config::Config;

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The head of a request did not end in time.
    Head,
    /// No request came, the client reads nothing, or it went on sending after a refusal.
    Quiet,
}

const WAITING: u8 = 0;
const HEAD: u8 = 1;
const SERVING: u8 = 2;
const LINGERING: u8 = 3;
const UPGRADED: u8 = 4;

/// No moment: nothing is being waited for.
const NEVER: u64 = u64::MAX;
/// The phase is new.
const UNSEEN: u64 = u64::MAX;

pub(crate) struct Phase {
    born: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds since `born`; [`UNSEEN`] until somebody looked.
    since: AtomicU64,
    /// Since when the client takes nothing.
    stalled: AtomicU64,
    /// A response is on its way, or its last byte may still lie in a buffer.
    responding: AtomicBool,
    /// The response was handed over in full.
    handed_over: AtomicBool,
    /// The client may still be sending what nobody will read.
    unread: AtomicBool,
}

impl Phase {
    /// A connection that was just accepted owes a request at once.
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            stalled: AtomicU64::new(NEVER),
            responding: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            unread: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    fn enter(&self, phase: u8) {
        self.since.store(UNSEEN, Relaxed);
        self.phase.store(phase, Relaxed);
    }

    /// Bytes arrived.
    pub(crate) fn received(&self) {
        if self.phase.load(Relaxed) == WAITING {
            self.enter(HEAD);
        }
    }

    /// A request's head is complete.
    pub(crate) fn serving(&self) {
        self.phase.store(SERVING, Relaxed);
        self.handed_over.store(false, Relaxed);
        self.unread.store(false, Relaxed);
        self.responding.store(true, Relaxed);
    }

    /// The connection leaves HTTP: from here on it is neither watched nor touched.
    pub(crate) fn upgraded(&self) {
        self.phase.store(UPGRADED, Relaxed);
    }

    /// The response's last byte is with hyper.
    pub(crate) fn handed_over(&self) {
        if self.phase.load(Relaxed) != UPGRADED {
            self.handed_over.store(true, Relaxed);
        }
    }

    /// Everything that hyper had was written.
    pub(crate) fn flushed(&self) {
        if self.responding.load(Relaxed) && self.handed_over.load(Relaxed) {
            self.responding.store(false, Relaxed);
            self.enter(WAITING);
        }
    }

    /// True while bytes on their way out belong to a response of ours.
    pub(crate) fn responding(&self) -> bool {
        self.responding.load(Relaxed)
    }

    /// A body was left unread.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether closing should wait for the client to stop sending.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Our side is closed; the client may still be sending.
    pub(crate) fn lingering(&self) {
        self.enter(LINGERING);
    }

    /// The client takes nothing now.
    pub(crate) fn stalled(&self) {
        if self.stalled.load(Relaxed) == NEVER {
            self.stalled.store(self.now(), Relaxed);
        }
    }

    /// The client took something.
    pub(crate) fn progressed(&self) {
        if self.stalled.load(Relaxed) != NEVER {
            self.stalled.store(NEVER, Relaxed);
        }
    }

    /// Checks the clock: what is overdue, or when to look again.
    pub(crate) fn check(&self, config: &Config) -> Result<Duration, Overdue> {
        let now = self.now();
        let left = |bound: Duration, since: u64| {
            let age = Duration::from_millis(now.saturating_sub(since));
            bound.checked_sub(age).filter(|left| !left.is_zero())
        };
        let mut again = config.header_timeout.min(config.linger_timeout).min(config.write_timeout);
        let stalled = self.stalled.load(Relaxed);
        if stalled != NEVER {
            again = again.min(left(config.write_timeout, stalled).ok_or(Overdue::Quiet)?);
        }
        let (bound, overdue) = match self.phase.load(Relaxed) {
            WAITING => (config.idle_timeout, Overdue::Quiet),
            HEAD => (config.header_timeout, Overdue::Head),
            LINGERING => (config.linger_timeout, Overdue::Quiet),
            // A handler has its own deadline, a body its own time-outs.
            _ => return Ok(again),
        };
        let since = self.since.load(Relaxed);
        if since == UNSEEN {
            self.since.store(now, Relaxed);
            return Ok(again.min(bound));
        }
        Ok(again.min(left(bound, since).ok_or(overdue)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Overdue, Phase};
    use crate::config::Config;
    use std::time::Duration;

    #[test]
    fn each_phase_has_its_bound() {
        let config = Config {
            header_timeout: Duration::from_millis(1),
            idle_timeout: Duration::from_secs(60),
            ..Config::default()
        };
        let phase = Phase::new();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(phase.check(&config), Err(Overdue::Head));
        phase.serving();
        assert!(phase.check(&config).is_ok());
        phase.flushed();
        assert!(phase.responding(), "the response is not complete yet");
        phase.handed_over();
        phase.flushed();
        assert!(!phase.responding());
        assert!(phase.check(&config).is_ok(), "seen");
        std::thread::sleep(Duration::from_millis(3));
        assert!(phase.check(&config).is_ok(), "idle may last longer than a head");
        phase.received();
        assert!(phase.check(&config).is_ok(), "seen");
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(phase.check(&config), Err(Overdue::Head));
    }

    #[test]
    fn a_client_that_takes_nothing_is_overdue() {
        let config = Config { write_timeout: Duration::from_millis(1), ..Config::default() };
        let phase = Phase::new();
        phase.serving();
        phase.stalled();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(phase.check(&config), Err(Overdue::Quiet));
        phase.progressed();
        assert!(phase.check(&config).is_ok());
    }
}
