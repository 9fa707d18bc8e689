//! Who has said how much, as far as this host has heard.
//!
//! Each host counts what it says. One that sends again because an answer was lost repeats a count;
//! one whose entries Redis lost skips some. A host that says nothing any
//! more shows no gap: after an outage those are watched that were there before it. Such a host may
//! have died with notices it could not get rid of; or it just died. That can't be told apart.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::entry::Origin;

/// Hosts remembered; beyond it the one is forgotten that was heard the longest ago.
const MOST: usize = 1_000;

/// What an entry's count says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The next, or the first from this origin.
    Next,
    /// Heard before.
    Repeat,
    /// So many are missing before it.
    After(u64),
}

#[derive(Debug)]
struct Known {
    count: u64,
    at: Instant,
    /// The loss of what came before the next entry has been reported.
    excused: bool,
    /// Where it was before an outage, and not heard of since.
    missed_since: Option<Instant>,
}

/// All origins.
#[derive(Debug, Default)]
pub(crate) struct Origins(HashMap<Origin, Known>);

impl Origins {
    pub(crate) fn hear(&mut self, origin: Origin, count: u64, now: Instant) -> Heard {
        let next = Known { count, at: now, excused: false, missed_since: None };
        let Some(known) = self.0.get_mut(&origin) else {
            if self.0.len() >= MOST {
                self.forget_oldest();
            }
            self.0.insert(origin, next);
            return Heard::Next;
        };
        let before = known.count;
        if count <= before {
            known.at = now;
            known.missed_since = None;
            return Heard::Repeat;
        }
        let excused = std::mem::replace(known, next).excused;
        match count - before - 1 {
            0 => Heard::Next,
            _ if excused => Heard::Next,
            missing => Heard::After(missing),
        }
    }

    /// It took leave, having said everything.
    pub(crate) fn farewell(&mut self, origin: Origin) {
        self.0.remove(&origin);
    }

    /// A loss has been reported: gaps up to here are part of it.
    pub(crate) fn excuse(&mut self) {
        for known in self.0.values_mut() {
            known.excused = true;
            known.missed_since = None;
        }
    }

    /// Redis can be reached again. Who was there `within` the time before is to be heard of.
    pub(crate) fn watch(&mut self, within: Duration, now: Instant) {
        for known in self.0.values_mut() {
            if now.saturating_duration_since(known.at) <= within {
                known.missed_since.get_or_insert(now);
            }
        }
    }

    /// Whether somebody has not been heard of for this long after an outage. Asked once for each.
    pub(crate) fn missing(&mut self, patience: Duration, now: Instant) -> bool {
        let before = self.0.len();
        self.0.retain(|_, known| {
            known.missed_since.is_none_or(|since| now.saturating_duration_since(since) < patience)
        });
        self.0.len() < before
    }

    fn forget_oldest(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, known)| known.at).map(|(origin, _)| *origin);
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Origin = Origin(1);
    const B: Origin = Origin(2);

    #[test]
    fn counts_tell_repeats_and_gaps() {
        let (mut origins, now) = (Origins::default(), Instant::now());
        // Whoever was there before us starts anywhere.
        assert_eq!(origins.hear(A, 5, now), Heard::Next);
        assert_eq!(origins.hear(A, 6, now), Heard::Next);
        assert_eq!(origins.hear(A, 5, now), Heard::Repeat);
        assert_eq!(origins.hear(A, 6, now), Heard::Repeat);
        assert_eq!(origins.hear(B, 1, now), Heard::Next);
        assert_eq!(origins.hear(A, 9, now), Heard::After(2));
        assert_eq!(origins.hear(A, 10, now), Heard::Next);
    }

    #[test]
    fn a_reported_loss_is_reported_once() {
        let (mut origins, now) = (Origins::default(), Instant::now());
        origins.hear(A, 1, now);
        origins.hear(B, 1, now);
        origins.excuse();
        assert_eq!(origins.hear(A, 1, now), Heard::Repeat);
        assert_eq!(origins.hear(A, 7, now), Heard::Next);
        assert_eq!(origins.hear(A, 9, now), Heard::After(1));
        assert_eq!(origins.hear(B, 2, now), Heard::Next);
        assert_eq!(origins.hear(B, 4, now), Heard::After(1));
    }

    #[test]
    fn who_is_silent_after_an_outage_is_missed_once() {
        let (mut origins, start) = (Origins::default(), Instant::now());
        let second = Duration::from_secs(1);
        for origin in [A, B, Origin(3), Origin(4)] {
            origins.hear(origin, 1, start);
        }
        origins.hear(Origin(5), 1, start + 20 * second);
        let back = start + 30 * second;
        origins.farewell(Origin(3));
        origins.watch(30 * second, back);
        origins.hear(A, 1, back + second);
        origins.hear(Origin(4), 2, back + second);
        origins.hear(Origin(5), 2, back + second);
        assert!(!origins.missing(15 * second, back + 14 * second));
        assert!(origins.missing(15 * second, back + 15 * second), "B is");
        assert!(!origins.missing(15 * second, back + 60 * second));
        // Long gone before the outage: not its victim.
        origins.watch(second, back + 100 * second);
        assert!(!origins.missing(15 * second, back + 200 * second));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut origins, now) = (Origins::default(), Instant::now());
        for n in 0..5_000 {
            origins.hear(Origin(n), 1, now + Duration::from_millis(n as u64));
        }
        assert_eq!(origins.0.len(), MOST);
        assert_eq!(origins.hear(Origin(4_999), 1, now), Heard::Repeat);
    }
}
