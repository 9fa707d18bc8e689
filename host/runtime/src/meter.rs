//! The CPU time that one instance uses: measured for its tenant's figures, and paid for from its
//! tenant's account before it uses more.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Sleep;

use crate::{control::Control, counters::count, pool::Pool, state::LEAST_PAUSE};

/// CPU time that is paid for at once, in nanoseconds: the account is shared by all cores.
const PAYMENT_NANOS: u64 = 100_000;

/// Measures one instance's turns.
pub(crate) struct Meter<'a> {
    pool: &'a Pool,
    control: &'a Control,
    unpaid: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

/// A moment of a thread's work.
enum Moment {
    /// By the clock on the wall, which is read without entering the kernel. A core's thread works
    /// whenever it wants to, so that its time is CPU time.
    Wall(Instant),
    /// By the thread's own clock: in the background it waits for others in between.
    Thread(Duration),
}

impl Moment {
    fn now(background: bool) -> Self {
        if background { Self::Thread(thread_time()) } else { Self::Wall(Instant::now()) }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Wall(at) => at.elapsed(),
            Self::Thread(at) => thread_time().saturating_sub(*at),
        }
    }
}

/// CPU time that this thread has used so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl<'a> Meter<'a> {
    pub(crate) fn new(pool: &'a Pool, control: &'a Control) -> Self {
        let mut meter = Self { pool, control, unpaid: 0, pause: None };
        // What others of the tenant owe is paid before another instance starts: else each new one
        // had its first turn for nothing.
        meter.charge(0);
        meter
    }

    /// Runs one turn, which is paid for later.
    pub(crate) fn turn<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let background = self.control.in_background();
        let begun = Moment::now(background);
        let done = work();
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if background {
            // Else the kernel may go on with this thread although a core's waits.
            std::thread::yield_now();
        }
        count(&self.control.busy, nanos);
        self.add(nanos);
        done
    }

    /// Runs work to its end, turn by turn.
    pub(crate) async fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            ready!(self.poll_paid(cx));
            self.turn(|| work.as_mut().poll(cx))
        })
        .await
    }

    fn add(&mut self, nanos: u64) {
        self.unpaid += nanos;
        if self.unpaid < PAYMENT_NANOS {
            return;
        }
        let unpaid = std::mem::take(&mut self.unpaid);
        self.charge(unpaid);
    }

    fn charge(&mut self, nanos: u64) {
        let wait = self.pool.limits.quota.cpu.take(nanos);
        if wait >= LEAST_PAUSE {
            let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            count(&self.pool.counters(self.control.core).throttled, nanos);
            self.pool.limits.quota.strain();
            self.pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
    }

    /// Ready when the tenant may compute.
    pub(crate) fn poll_paid(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }
}
