//! Puts a room's numbered events back into order.
//!
//! Several instances emit at once, so that the event with number n+1 can arrive before n. It
//! waits for n a moment. Nothing is lost over it: an event whose predecessor never comes goes out
//! after the window, and a predecessor that comes later still goes out late.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What to do with an event that has just arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Deliver it, then whatever [`Order::next`] yields.
    Now,
    /// Keep it with [`Order::keep`].
    Later,
    /// It was delivered before.
    Seen,
}

/// The order of one room.
#[derive(Debug)]
pub(crate) struct Order<T> {
    window: Duration,
    most: usize,
    /// Numbers from here up to `next`, but for those in `missing`, have been delivered.
    low: u64,
    /// None until the first event, which starts the order whatever its number.
    next: Option<u64>,
    missing: BTreeSet<u64>,
    waiting: BTreeMap<u64, (Instant, T)>,
}

impl<T> Order<T> {
    pub(crate) fn new(window: Duration, most: usize) -> Self {
        Self {
            window,
            most,
            low: 0,
            next: None,
            missing: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Decides about the event with this number.
    pub(crate) fn offer(&mut self, number: u64) -> Verdict {
        let Some(next) = self.next else {
            self.low = number;
            self.next = Some(number.saturating_add(1));
            return Verdict::Now;
        };
        if number == next {
            self.next = Some(number.saturating_add(1));
            return Verdict::Now;
        }
        if number > next {
            return if self.waiting.contains_key(&number) { Verdict::Seen } else { Verdict::Later };
        }
        if number < self.low {
            // Before the order began. Far below it, all that is known is that it is late.
            if self.low - number <= self.most as u64 {
                self.missing.extend(number + 1..self.low);
                self.low = number;
                self.trim();
            }
            return Verdict::Now;
        }
        if self.missing.remove(&number) { Verdict::Now } else { Verdict::Seen }
    }

    /// Keeps an event that [`Order::offer`] put off.
    pub(crate) fn keep(&mut self, number: u64, event: T, now: Instant) {
        self.waiting.insert(number, (now, event));
    }

    /// The next event whose turn it is.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u64, T)> {
        let (&first, (since, _)) = self.waiting.first_key_value()?;
        let next = self.next.unwrap_or(first);
        let due = now.saturating_duration_since(*since) >= self.window;
        if first > next && !due && self.waiting.len() <= self.most {
            return None;
        }
        let (number, (_, event)) = self.waiting.pop_first()?;
        // The gap is given up on; what is missing may still come late.
        let from = next.max(number.saturating_sub(self.most as u64));
        self.missing.extend(from..number);
        self.trim();
        self.next = Some(number.saturating_add(1));
        Some((number, event))
    }

    /// When [`Order::next`] has something again even if nothing arrives.
    pub(crate) fn due(&self) -> Option<Instant> {
        // The lowest number leads; those behind it follow when it goes.
        self.waiting.first_key_value().map(|(_, (since, _))| *since + self.window)
    }

    /// Forgets the oldest gaps; an event of theirs would count as delivered.
    fn trim(&mut self) {
        while self.missing.len() > self.most {
            self.missing.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    const WINDOW: Duration = Duration::from_millis(250);
    const NONE: [u64; 0] = [];

    /// Feeds a number; what comes out.
    fn feed(order: &mut Order<u64>, number: u64, now: Instant) -> Vec<u64> {
        let mut out = Vec::new();
        match order.offer(number) {
            Verdict::Now => out.push(number),
            Verdict::Later => order.keep(number, number, now),
            Verdict::Seen => {}
        }
        out.extend(drain(order, now));
        out
    }

    fn drain(order: &mut Order<u64>, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| order.next(now)).map(|(number, _)| number).collect()
    }

    #[test]
    fn early_events_wait_for_their_predecessors() {
        let (mut order, now) = (Order::new(WINDOW, 256), Instant::now());
        assert_eq!(feed(&mut order, 7, now), [7]);
        assert_eq!(feed(&mut order, 10, now), NONE);
        assert_eq!(feed(&mut order, 9, now), NONE);
        assert_eq!(feed(&mut order, 8, now), [8, 9, 10]);
        assert_eq!(order.due(), None);
    }

    #[test]
    fn a_gap_is_given_up_after_the_window() {
        let (mut order, start) = (Order::new(WINDOW, 256), Instant::now());
        feed(&mut order, 1, start);
        assert_eq!(feed(&mut order, 3, start), NONE);
        assert_eq!(feed(&mut order, 4, start + WINDOW / 2), NONE);
        assert_eq!(order.due(), Some(start + WINDOW));
        assert_eq!(drain(&mut order, start + WINDOW - Duration::from_millis(1)), NONE);
        assert_eq!(drain(&mut order, start + WINDOW), [3, 4]);
        // The missing one still comes through, once.
        assert_eq!(feed(&mut order, 2, start + WINDOW), [2]);
        assert_eq!(feed(&mut order, 2, start + WINDOW), NONE);
        assert_eq!(feed(&mut order, 5, start + WINDOW), [5]);
    }

    #[test]
    fn duplicates_are_dropped() {
        let (mut order, now) = (Order::new(WINDOW, 256), Instant::now());
        for number in 1..=3 {
            assert_eq!(feed(&mut order, number, now), [number]);
        }
        assert_eq!(feed(&mut order, 2, now), NONE);
        assert_eq!(feed(&mut order, 5, now), NONE);
        assert_eq!(feed(&mut order, 5, now), NONE);
        assert_eq!(feed(&mut order, 4, now), [4, 5]);
    }

    #[test]
    fn what_came_before_the_first_is_late_not_lost() {
        let (mut order, now) = (Order::new(WINDOW, 4), Instant::now());
        assert_eq!(feed(&mut order, 10, now), [10]);
        assert_eq!(feed(&mut order, 8, now), [8]);
        assert_eq!(feed(&mut order, 8, now), NONE);
        assert_eq!(feed(&mut order, 9, now), [9]);
        assert_eq!(feed(&mut order, 1, now), [1]);
    }

    #[test]
    fn waiting_is_bounded_by_count() {
        let (mut order, now) = (Order::new(WINDOW, 3), Instant::now());
        feed(&mut order, 1, now);
        for number in [3, 4, 5] {
            assert_eq!(feed(&mut order, number, now), NONE);
        }
        assert_eq!(feed(&mut order, 6, now), [3, 4, 5, 6]);
        // A huge gap costs no more than the bound.
        assert_eq!(feed(&mut order, u64::MAX - 1, now), NONE);
        assert_eq!(drain(&mut order, now + WINDOW), [u64::MAX - 1]);
        assert!(order.missing.len() <= 3);
    }

    /// Any shuffle within the bounds comes out sorted and complete.
    #[test]
    fn shuffles_come_out_in_order() {
        use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..200 {
            let (mut order, now) = (Order::new(WINDOW, 256), Instant::now());
            let mut numbers: Vec<u64> = (2..100).collect();
            numbers.shuffle(&mut random);
            let mut out = feed(&mut order, 1, now);
            out.extend(numbers.iter().flat_map(|&n| feed(&mut order, n, now)));
            assert_eq!(out, (1..100).collect::<Vec<_>>());
        }
    }
}
