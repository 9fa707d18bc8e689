//! Keys under which Redis may hold an old value: a change to them did not get there.
//!
//! Until such a key is deleted, this host reads nothing under it; the deletions are made as soon as
//! Redis can be reached. A key is owed for as long as a value stored before the change can live.
//! For a while after the deletion it is not filled either: a reader that asked the documents before
//! the change may come late.
//!
//! The memory is bounded. When more keys are owed than fit, all of the tenant's values are taken for
//! old until the last that can be has expired: slow, but never wrong.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub(crate) struct Owed {
    max: usize,
    /// False while nothing is owed, which is nearly always: a reader looks no further.
    any: AtomicBool,
    state: Mutex<State>,
    added: Notify,
}

/// Longer than any call between reading the documents and filling the cache.
const LATE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    keys: HashMap<String, Debt>,
    /// Numbers the debts, so that a deletion settles only what was owed before it.
    next: u64,
    blind_until: Option<Instant>,
    /// When the last of all this no longer matters.
    end: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Debt {
    number: u64,
    until: Instant,
    /// The deletion was made.
    paid: bool,
}

impl State {
    fn lasts(&mut self, until: Instant) {
        self.end = self.end.max(Some(until));
    }
}

/// A deletion to be made, with the debt it settles.
pub(crate) struct Due {
    pub(crate) key: String,
    number: u64,
}

impl Owed {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            any: AtomicBool::new(false),
            state: Mutex::default(),
            added: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers keys whose values may be old; none of those values lives longer than `longest`.
    pub(crate) fn add(&self, keys: impl IntoIterator<Item = String>, longest: Duration) {
        let now = Instant::now();
        let until = now + longest;
        {
            let mut state = self.lock();
            for key in keys {
                if state.keys.len() >= self.max && !state.keys.contains_key(&key) {
                    state.keys.retain(|_, debt| debt.until > now);
                }
                if state.keys.len() >= self.max && !state.keys.contains_key(&key) {
                    if state.blind_until.is_none() {
                        tracing::warn!(
                            keys = self.max,
                            seconds = longest.as_secs(),
                            "too many changes did not reach the cache: not reading from it for a while"
                        );
                    }
                    // Ours is the latest change, so its end covers the others that did not fit.
                    state.blind_until = Some(until);
                    break;
                }
                let number = state.next;
                state.next += 1;
                state.keys.insert(key, Debt { number, until, paid: false });
            }
            state.lasts(until);
            self.any.store(true, Ordering::Release);
        }
        self.added.notify_one();
    }

    /// Whether a value under this key may be old.
    pub(crate) fn hides(&self, key: &str) -> bool {
        self.look(|state, now| {
            state.blind_until.is_some_and(|until| now < until)
                || state.keys.get(key).is_some_and(|debt| !debt.paid && now < debt.until)
        })
    }

    /// Whether this key itself awaits its deletion.
    pub(crate) fn awaits(&self, key: &str) -> bool {
        self.look(|state, now| {
            state.keys.get(key).is_some_and(|debt| !debt.paid && now < debt.until)
        })
    }

    /// Whether what a reader wants to store under this key may have been read before a change.
    pub(crate) fn refuses_fill(&self, key: &str) -> bool {
        self.look(|state, now| state.keys.get(key).is_some_and(|debt| now < debt.until))
    }

    fn look(&self, question: impl FnOnce(&State, Instant) -> bool) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let now = Instant::now();
        let mut state = self.lock();
        if state.end.is_none_or(|end| end <= now) {
            *state = State { next: state.next, ..State::default() };
            self.any.store(false, Ordering::Release);
            return false;
        }
        question(&state, now)
    }

    /// Waits until something is owed.
    pub(crate) async fn some(&self) {
        loop {
            let added = self.added.notified();
            let now = Instant::now();
            if self.lock().keys.values().any(|debt| !debt.paid && now < debt.until) {
                return;
            }
            added.await;
        }
    }

    /// Up to `max` deletions.
    pub(crate) fn due(&self, max: usize) -> Vec<Due> {
        let now = Instant::now();
        let state = self.lock();
        let due = state.keys.iter().filter(|(_, debt)| !debt.paid && now < debt.until).take(max);
        due.map(|(key, debt)| Due { key: key.clone(), number: debt.number }).collect()
    }

    /// These deletions were made. What was owed anew meanwhile stays owed.
    pub(crate) fn settled(&self, due: &[Due]) {
        let now = Instant::now();
        let mut state = self.lock();
        for Due { key, number } in due {
            if let Some(debt) = state.keys.get_mut(key)
                && debt.number == *number
            {
                *debt = Debt { paid: true, until: now + LATE, ..*debt };
            }
        }
        state.lasts(now + LATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn owe(owed: &Owed, key: &str, longest: Duration) {
        owed.add([key.to_owned()], longest);
    }

    #[test]
    fn a_key_is_hidden_until_it_is_settled() {
        let owed = Owed::new(9);
        assert!(!owed.hides("a"));
        owe(&owed, "a", LONG);
        assert!(owed.hides("a") && !owed.hides("b"));
        let due = owed.due(9);
        owed.settled(&due);
        assert!(!owed.hides("a") && owed.due(9).is_empty());
        assert!(owed.refuses_fill("a") && !owed.refuses_fill("b"), "a late reader stays out");
    }

    #[test]
    fn a_debt_made_while_another_is_paid_stays() {
        let owed = Owed::new(9);
        owe(&owed, "a", LONG);
        let due = owed.due(9);
        owe(&owed, "a", LONG);
        owed.settled(&due);
        assert!(owed.hides("a"));
    }

    #[test]
    fn what_can_no_longer_live_is_no_longer_owed() {
        let owed = Owed::new(2);
        owe(&owed, "a", Duration::ZERO);
        owe(&owed, "b", LONG);
        assert!(!owed.hides("a"));
        owe(&owed, "c", LONG);
        assert!(owed.hides("b") && owed.hides("c") && !owed.hides("d"), "it made room");
    }

    #[test]
    fn nothing_is_looked_up_once_all_is_over() {
        let owed = Owed::new(9);
        owe(&owed, "a", Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(10));
        assert!(!owed.hides("a"));
        assert!(!owed.any.load(Ordering::Relaxed) && owed.lock().keys.is_empty());
    }

    #[test]
    fn too_many_debts_hide_everything_until_all_values_must_have_ended() {
        let owed = Owed::new(2);
        owe(&owed, "a", LONG);
        owe(&owed, "b", LONG);
        assert!(!owed.hides("other"));
        owe(&owed, "c", Duration::from_millis(30));
        assert!(owed.hides("other") && !owed.awaits("other"));
        let due = owed.due(9);
        owed.settled(&due);
        assert!(owed.hides("other"), "a deletion does not open what was forgotten");
        std::thread::sleep(Duration::from_millis(40));
        assert!(!owed.hides("other"));
    }
}
