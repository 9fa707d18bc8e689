//! Which numbers of a room were passed over and may still come.
//!
//! Kept as ranges: hosts that can't hear each other for a minute pass over thousands of numbers in
//! a row, which cost as much as one.

use std::{collections::BTreeMap, ops::Range};

/// Disjoint ranges of numbers, by where they start.
#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeMap<u64, u64>);

impl Gaps {
    /// Adds numbers that are in no gap yet.
    pub(super) fn add(&mut self, numbers: Range<u64>) {
        if !numbers.is_empty() {
            self.0.insert(numbers.start, numbers.end);
        }
    }

    /// Takes a number out; false if it was in no gap.
    pub(super) fn take(&mut self, number: u64) -> bool {
        let Some((&start, &end)) = self.0.range(..=number).next_back() else { return false };
        if number >= end {
            return false;
        }
        self.0.remove(&start);
        self.add(start..number);
        self.add(number + 1..end);
        true
    }

    /// Forgets the lowest gaps until so many are left; the number after the last forgotten one.
    pub(super) fn keep_highest(&mut self, most: usize) -> Option<u64> {
        let mut end = None;
        while self.0.len() > most {
            end = self.0.pop_first().map(|(_, end)| end);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once() {
        let mut gaps = Gaps::default();
        gaps.add(5..5);
        gaps.add(10..20);
        for number in [9, 20, 5, u64::MAX] {
            assert!(!gaps.take(number), "{number}");
        }
        for number in [10, 19, 14] {
            assert!(gaps.take(number), "{number}");
            assert!(!gaps.take(number), "{number}");
        }
        let left: Vec<u64> = (0..30).filter(|&number| gaps.take(number)).collect();
        assert_eq!(left, [11, 12, 13, 15, 16, 17, 18]);
    }

    #[test]
    fn the_lowest_are_forgotten_first() {
        let mut gaps = Gaps::default();
        for start in [0, 10, 20] {
            gaps.add(start..start + 2);
        }
        assert_eq!(gaps.keep_highest(3), None);
        assert_eq!(gaps.keep_highest(1), Some(12));
        assert!(!gaps.take(11));
        assert!(gaps.take(21));
    }
}
