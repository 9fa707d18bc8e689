//! Puts a room's numbered events back into order.
//!
//! Several instances emit at once, and so do several hosts, so that the event with number n+1 can
//! arrive before n. It waits for n a moment. Nothing is lost over it: an event whose predecessor
//! never comes goes out after the window, and a predecessor that comes later still goes out late,
//! once.
//!
//! An order starts with the number after the history that a socket was sent, where one was. Else
//! the first event starts it, whatever its number; among several hosts that is too likely to be
//! the wrong one, so it waits a moment for a lower one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::gaps::Gaps;

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

/// How long and how many events may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a predecessor.
    pub(crate) window: Duration,
    /// For a lower number than the first.
    pub(crate) start: Duration,
    /// How many events, and how many gaps are remembered.
    pub(crate) events: usize,
}

/// The order of one room.
#[derive(Debug)]
pub(crate) struct Order<T> {
    patience: Patience,
    /// Numbers from here up to `next`, but for those in `missing`, have been delivered.
    low: u64,
    /// None until the order has started.
    next: Option<u64>,
    /// When it starts without being told where.
    starts_at: Option<Instant>,
    missing: Gaps,
    waiting: BTreeMap<u64, (Instant, T)>,
}

impl<T> Order<T> {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            patience,
            low: 0,
            next: None,
            starts_at: None,
            missing: Gaps::default(),
            waiting: BTreeMap::new(),
        }
    }

    /// Says which number is the first to come, unless that is known. What is below counts as late.
    /// [`Order::next`] may have something then.
    pub(crate) fn start(&mut self, first: u64) {
        if self.next.is_none() {
            self.low = first;
            self.next = Some(first);
        }
    }

    /// Decides about the event with this number.
    pub(crate) fn offer(&mut self, number: u64) -> Verdict {
        let Some(next) = self.next.or_else(|| {
            self.patience.start.is_zero().then(|| {
                self.start(number);
                number
            })
        }) else {
            return self.later(number);
        };
        if number == next {
            self.next = Some(number.saturating_add(1));
            return Verdict::Now;
        }
        if number > next {
            return self.later(number);
        }
        if number < self.low {
            self.take_late(number);
            return Verdict::Now;
        }
        if self.missing.take(number) { Verdict::Now } else { Verdict::Seen }
    }

    fn later(&self, number: u64) -> Verdict {
        if self.waiting.contains_key(&number) { Verdict::Seen } else { Verdict::Later }
    }

    /// Keeps an event that [`Order::offer`] put off.
    pub(crate) fn keep(&mut self, number: u64, event: T, now: Instant) {
        if self.next.is_none() {
            self.starts_at.get_or_insert(now + self.patience.start);
        }
        self.waiting.insert(number, (now, event));
    }

    /// The next event whose turn it is.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u64, T)> {
        let (&first, (since, _)) = self.waiting.first_key_value()?;
        let too_many = self.waiting.len() > self.patience.events;
        if self.next.is_none() && !too_many && self.starts_at.is_some_and(|at| now < at) {
            return None;
        }
        let next = self.next.unwrap_or(first);
        let due = now.saturating_duration_since(*since) >= self.patience.window;
        if first > next && !due && !too_many {
            return None;
        }
        self.start(first);
        let (number, (_, event)) = self.waiting.pop_first()?;
        if number < next {
            // It came before the order was started above it.
            self.take_late(number);
        } else {
            // The gap is given up on; what is missing may still come late.
            self.missing.add(next..number);
            self.next = Some(number.saturating_add(1));
            self.trim();
        }
        Some((number, event))
    }

    /// When [`Order::next`] has something again even if nothing arrives.
    pub(crate) fn due(&self) -> Option<Instant> {
        // The lowest number leads; those behind it follow when it goes.
        let (_, (since, _)) = self.waiting.first_key_value()?;
        match (self.next, self.starts_at) {
            (None, Some(at)) => Some(at),
            _ => Some(*since + self.patience.window),
        }
    }

    /// Counts a number from before the order began as delivered, and those above it as missing.
    fn take_late(&mut self, number: u64) {
        self.missing.add(number.saturating_add(1)..self.low);
        self.low = number;
        self.trim();
    }

    /// Forgets the lowest gaps. What comes from below is late then: rather twice than never.
    fn trim(&mut self) {
        if let Some(end) = self.missing.keep_highest(self.patience.events) {
            self.low = self.low.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    const WINDOW: Duration = Duration::from_millis(250);
    const START: Duration = Duration::from_millis(50);
    const NONE: [u64; 0] = [];

    /// The order of a host on its own.
    fn alone(events: usize) -> Order<u64> {
        Order::new(Patience { window: WINDOW, start: Duration::ZERO, events })
    }

    /// The order of a host among others.
    fn among_others() -> Order<u64> {
        Order::new(Patience { window: WINDOW, start: START, events: 256 })
    }

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
        let (mut order, now) = (alone(256), Instant::now());
        assert_eq!(feed(&mut order, 7, now), [7]);
        assert_eq!(feed(&mut order, 10, now), NONE);
        assert_eq!(feed(&mut order, 9, now), NONE);
        assert_eq!(feed(&mut order, 8, now), [8, 9, 10]);
        assert_eq!(order.due(), None);
    }

    #[test]
    fn a_gap_is_given_up_after_the_window() {
        let (mut order, start) = (alone(256), Instant::now());
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
        let (mut order, now) = (alone(256), Instant::now());
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
        let (mut order, now) = (alone(4), Instant::now());
        assert_eq!(feed(&mut order, 10, now), [10]);
        assert_eq!(feed(&mut order, 8, now), [8]);
        assert_eq!(feed(&mut order, 8, now), NONE);
        assert_eq!(feed(&mut order, 9, now), [9]);
        assert_eq!(feed(&mut order, 1, now), [1]);
    }

    #[test]
    fn waiting_is_bounded_by_count() {
        let (mut order, now) = (alone(3), Instant::now());
        feed(&mut order, 1, now);
        for number in [3, 4, 5] {
            assert_eq!(feed(&mut order, number, now), NONE);
        }
        assert_eq!(feed(&mut order, 6, now), [3, 4, 5, 6]);
        // A huge gap costs no more than the bound.
        assert_eq!(feed(&mut order, u64::MAX - 1, now), NONE);
        assert_eq!(drain(&mut order, now + WINDOW), [u64::MAX - 1]);
        // All of it may still come.
        assert_eq!(feed(&mut order, 1_000_000, now), [1_000_000]);
        assert_eq!(feed(&mut order, 1_000_000, now), NONE);
        assert_eq!(feed(&mut order, u64::MAX - 2, now), [u64::MAX - 2]);
    }

    #[test]
    fn a_long_outage_loses_nothing_however_many_were_missed() {
        let (mut order, mut now) = (alone(4), Instant::now());
        assert_eq!(feed(&mut order, 0, now), [0]);
        // This host numbers every fifth, the others' come all at once afterwards.
        for number in (5..100).step_by(5) {
            assert_eq!(feed(&mut order, number, now), NONE);
            now += WINDOW;
            assert_eq!(drain(&mut order, now), [number]);
        }
        for number in (1..100).filter(|number| number % 5 > 0 && *number < 95) {
            assert_eq!(feed(&mut order, number, now), [number]);
        }
        assert_eq!(feed(&mut order, 96, now), [96]);
    }

    #[test]
    fn among_others_the_first_event_waits_for_a_lower_one() {
        let (mut order, start) = (among_others(), Instant::now());
        assert_eq!(feed(&mut order, 12, start), NONE);
        assert_eq!(feed(&mut order, 12, start), NONE);
        assert_eq!(feed(&mut order, 11, start + START / 2), NONE);
        assert_eq!(order.due(), Some(start + START));
        assert_eq!(drain(&mut order, start + START), [11, 12]);
        assert_eq!(feed(&mut order, 13, start + START), [13]);
        // What comes later still is late, not lost.
        assert_eq!(feed(&mut order, 9, start + START), [9]);
        assert_eq!(feed(&mut order, 10, start + START), [10]);
        assert_eq!(feed(&mut order, 10, start + START), NONE);
    }

    #[test]
    fn a_history_starts_the_order() {
        let (mut order, now) = (among_others(), Instant::now());
        order.start(11);
        assert_eq!(feed(&mut order, 12, now), NONE);
        assert_eq!(feed(&mut order, 11, now), [11, 12]);
        // Only the first history does.
        order.start(20);
        assert_eq!(feed(&mut order, 13, now), [13]);
        assert_eq!(feed(&mut order, 9, now), [9]);
        assert_eq!(feed(&mut order, 9, now), NONE);
        assert_eq!(feed(&mut order, 10, now), [10]);
    }

    #[test]
    fn a_history_sorts_what_waits_for_a_start() {
        let (mut order, now) = (among_others(), Instant::now());
        for number in [12, 9, 14] {
            assert_eq!(feed(&mut order, number, now), NONE);
        }
        order.start(11);
        assert_eq!(drain(&mut order, now), [9]);
        assert_eq!(feed(&mut order, 11, now), [11, 12]);
        assert_eq!(feed(&mut order, 10, now), [10]);
        assert_eq!(feed(&mut order, 13, now), [13, 14]);
        assert_eq!(feed(&mut order, 9, now), NONE);
    }

    /// Any shuffle within the bounds comes out sorted and complete.
    #[test]
    fn shuffles_come_out_in_order() {
        use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..200 {
            let (mut order, now) = (alone(256), Instant::now());
            let mut numbers: Vec<u64> = (2..100).collect();
            numbers.shuffle(&mut random);
            let mut out = feed(&mut order, 1, now);
            out.extend(numbers.iter().flat_map(|&n| feed(&mut order, n, now)));
            assert_eq!(out, (1..100).collect::<Vec<_>>());
        }
    }
}
