//! One delivery in a consumer's hand.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingtalk_capabilities::events::{Delivery, Disposition, Event, EventError, Retry};

use crate::{
    core::{Core, Declared, Verdict},
    table::Waiting,
};

/// An event that is out. Dropped unsettled, also by a settlement that fails, it returns to its
/// lane.
pub(crate) struct Held {
    queue: Arc<Declared>,
    waiting: Waiting,
    settled: bool,
}

impl Held {
    /// Takes an event out, for one attempt more.
    pub(crate) fn new(queue: Arc<Declared>, mut waiting: Waiting) -> Self {
        waiting.event.attempt = waiting.event.attempt.saturating_add(1);
        Self { queue, waiting, settled: false }
    }

    pub(crate) fn event(&self) -> &Event {
        &self.waiting.event
    }

    pub(crate) fn position(&self) -> i64 {
        self.waiting.position
    }

    /// It is settled on disk, and due again at a time if it was a retry.
    pub(crate) fn settled(mut self, due: Option<i64>) {
        self.settled = true;
        self.queue.lane.settled(self.waiting.position, due);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.queue.lane.returned(self.waiting.clone());
        }
    }
}

/// A [`Held`] event with the way to settle it.
pub(crate) struct Out {
    pub(crate) core: Arc<Core>,
    pub(crate) held: Held,
}

#[async_trait]
impl Delivery for Out {
    fn event(&self) -> &Event {
        self.held.event()
    }

    async fn settle(self: Box<Self>, disposition: Disposition) -> Result<(), EventError> {
        let Self { core, held } = *self;
        let attempt = held.event().attempt;
        let retry = held.queue.retry;
        let verdict = match disposition {
            Disposition::Done => Verdict::Done,
            Disposition::Reject(reason) => Verdict::Bury(reason),
            Disposition::Retry(reason) if attempt >= retry.attempts => Verdict::Bury(reason),
            Disposition::Retry(reason) => Verdict::Retry(pause(retry, attempt), reason),
        };
        Ok(core.settle(held, verdict).await?)
    }
}

/// The pause after an attempt: it doubles each time, up to the longest.
fn pause(retry: Retry, attempt: u32) -> Duration {
    let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    retry.first_pause.checked_mul(doubled).unwrap_or(Duration::MAX).min(retry.longest_pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry {
            attempts: 8,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(1),
        };
        let pauses: Vec<_> = [1, 2, 3, 4, 99].map(|at| pause(retry, at).as_millis()).into();
        assert_eq!(pauses, [200, 400, 800, 1_000, 1_000]);
    }
}
