//! The one thread that keeps time for every instance of an engine: it ticks the epoch, by which
//! guest code gives way, answers overdue calls, and stops instances that idle.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use crate::{
    clock,
    heartbeat::Heartbeat,
    pool::{Activity, Pool},
};

/// What an epoch stands for: the unit of the turns that guest code gets.
pub(crate) const EPOCH: Duration = Duration::from_micros(250);
/// Epochs that guest code gets on a core before it gives way: a neighbour on the same thread waits for
/// a millisecond at most. They are counted at once where there is no shorter turn to end.
pub(crate) const EPOCHS_ON_CORE: u32 = 4;
/// And in the background: the kernel may let a turn end there before it lets a core's thread go on.
pub(crate) const EPOCHS_IN_BACKGROUND: u32 = 1;
/// The pause while nothing runs.
const IDLE: Duration = Duration::from_millis(10);
/// Deadlines are looked at this often.
const INSPECTION_MILLIS: u64 = 5;

/// The pools to look after.
#[derive(Default)]
pub(crate) struct Pools(Mutex<Vec<Weak<Pool>>>);

impl Pools {
    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    fn live(&self) -> Vec<Arc<Pool>> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Starts the thread. It ends when the engine and its pools are gone.
pub(crate) fn start(
    engine: &wasmtime::Engine,
    pools: &Arc<Pools>,
    heartbeat: Heartbeat,
) -> std::io::Result<()> {
    let (engine, pools) = (engine.weak(), Arc::downgrade(pools));
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let (mut activity, mut inspected) = (Activity::Idle, 0);
        loop {
            let (pause, epochs) = match activity {
                Activity::Idle => (IDLE, EPOCHS_ON_CORE),
                Activity::OnCores => (EPOCH * EPOCHS_ON_CORE, EPOCHS_ON_CORE),
                Activity::InBackground => (EPOCH * EPOCHS_IN_BACKGROUND, EPOCHS_IN_BACKGROUND),
            };
            thread::sleep(pause);
            let (Some(engine), Some(pools)) = (engine.upgrade(), pools.upgrade()) else { return };
            (0..epochs).for_each(|_| engine.increment_epoch());
            let now = clock::now();
            if now >= inspected + INSPECTION_MILLIS {
                inspected = now;
                activity = Activity::Idle;
                for pool in pools.live() {
                    activity = activity.max(pool.inspect(now));
                }
                heartbeat.set(activity == Activity::InBackground);
            }
        }
    })?;
    Ok(())
}
