//! Threads, one bound to each CPU, that make the kernel choose anew who runs there while guest code
//! computes in the background.
//!
//! Linux's scheduler (EEVDF) lets a thread of the lowest priority go on in place of one that has
//! just had more than its share, and looks at it again at its next tick only: 4 ms later where the
//! clock's rate is 250 Hz. Guest code gives way more often, but not while it has the host fill 60 MB of its
//! memory, or the kernel free it. Whoever wakes on the same CPU has the kernel choose again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use crate::watchdog::EPOCH;

/// The threads. They end when this is dropped.
#[derive(Default)]
pub(crate) struct Heartbeat {
    shared: Arc<Shared>,
    threads: Vec<Thread>,
}

#[derive(Default)]
struct Shared {
    beating: AtomicBool,
    ended: AtomicBool,
}

impl Heartbeat {
    /// One thread for each CPU that this process may use. None of them does anything yet.
    pub(crate) fn start() -> io::Result<Self> {
        let mut heartbeat = Self::default();
        for cpu in cpus()? {
            let shared = Arc::clone(&heartbeat.shared);
            let thread = thread::Builder::new()
                .name(format!("heartbeat-{cpu}"))
                .spawn(move || beat(cpu, &shared))?;
            heartbeat.threads.push(thread.thread().clone());
        }
        Ok(heartbeat)
    }

    /// Has them wake once an epoch, or not at all.
    pub(crate) fn set(&self, beating: bool) {
        if self.shared.beating.swap(beating, Ordering::Relaxed) != beating && beating {
            self.threads.iter().for_each(Thread::unpark);
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.threads.iter().for_each(Thread::unpark);
    }
}

fn beat(cpu: usize, shared: &Shared) {
    if let Err(error) = bind(cpu) {
        tracing::debug!(%error, cpu, "no heartbeat on this CPU");
        return;
    }
    while !shared.ended.load(Ordering::Relaxed) {
        if shared.beating.load(Ordering::Relaxed) {
            thread::sleep(EPOCH);
        } else {
            thread::park();
        }
    }
}

#[cfg(target_os = "linux")]
fn cpus() -> io::Result<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};

    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect())
}

#[cfg(target_os = "linux")]
fn bind(cpu: usize) -> io::Result<()> {
    let mut only = rustix::thread::CpuSet::new();
    only.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &only)?)
}

/// Elsewhere nothing is known of the scheduler.
#[cfg(not(target_os = "linux"))]
fn cpus() -> io::Result<Vec<usize>> {
    Ok(Vec::new())
}

#[cfg(not(target_os = "linux"))]
fn bind(_: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        fs,
        time::{Duration, Instant},
    };

    use super::*;

    /// How often each of the threads has waited for something, by the kernel's count (proc_pid_status(5)).
    /// Elsewhere than on Linux there are none.
    fn waits() -> Vec<u64> {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok())
            .filter(|status| status.starts_with("Name:\theartbeat-"))
            .filter_map(|status| {
                let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
                line?.trim().parse().ok()
            })
            .collect()
    }

    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < Duration::from_secs(10), "{what}: {:?}", waits());
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn each_cpu_has_a_thread_that_wakes_only_while_it_is_to() {
        let heartbeat = Heartbeat::start().unwrap();
        let count = cpus().unwrap().len();
        eventually("all are there", || waits().len() == count);
        heartbeat.set(true);
        eventually("all beat", || waits().iter().all(|waits| *waits > 100));
        heartbeat.set(false);
        eventually("all rest", || {
            let before = waits();
            thread::sleep(Duration::from_millis(20));
            waits() == before
        });
        drop(heartbeat);
        eventually("all are gone", || waits().is_empty());
    }
}
