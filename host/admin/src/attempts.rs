//! Wrong tokens are counted by address: whoever guesses is refused for a while.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Wrong tokens from one address within [`WINDOW`]; then every request from it is refused until the
/// window ends.
const MOST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered. Beyond it, those whose window has ended are forgotten, and if there are
/// none, new ones share one count.
const ADDRESSES: usize = 10_000;

#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Option<IpAddr>, Window>>);

#[derive(Clone, Copy)]
struct Window {
    since: Instant,
    wrong: u32,
}

impl Attempts {
    /// How long an address must wait, if it guessed too often.
    pub(crate) fn wait(&self, address: Option<IpAddr>) -> Option<Duration> {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&address)?;
        let left = WINDOW.checked_sub(window.since.elapsed())?;
        (window.wrong >= MOST).then_some(left)
    }

    /// Notes a wrong token; returns how many there were in this window.
    pub(crate) fn wrong(&self, address: Option<IpAddr>) -> u32 {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES {
            windows.retain(|_, window| window.since.elapsed() < WINDOW);
        }
        let known = windows.contains_key(&address) || windows.len() < ADDRESSES;
        let window = windows
            .entry(if known { address } else { None })
            .or_insert(Window { since: Instant::now(), wrong: 0 });
        if window.since.elapsed() >= WINDOW {
            *window = Window { since: Instant::now(), wrong: 0 };
        }
        window.wrong += 1;
        window.wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_stopped_and_others_are_spared() {
        let attempts = Attempts::default();
        let (bad, good) = (Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 0, 2])));
        for number in 1..=MOST {
            assert!(attempts.wait(bad).is_none());
            assert_eq!(attempts.wrong(bad), number);
        }
        assert!(attempts.wait(bad).is_some_and(|wait| wait <= WINDOW));
        assert!(attempts.wait(good).is_none());
    }
}
