//! Growing pauses between attempts against a store or a broker that is away.

use std::time::Duration;

/// First pause; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
/// Short enough that a broker that came back is used again within seconds.
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after a run of failures.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// The last attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// The pause to make now.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_starts_over() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.next(), FIRST);
    }
}
