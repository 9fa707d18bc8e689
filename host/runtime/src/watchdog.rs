//! The one thread that keeps time for every instance of an engine: it ticks the epoch, by which
//! guest code gives way, answers overdue calls, and stops instances that idle.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use crate::{clock, pool::Pool};

/// The epoch's tick while there is work: a neighbour on the same thread waits this long at most
/// for a guest that computes.
const TICK: Duration = Duration::from_millis(1);
/// The tick while nothing runs.
const IDLE_TICK: Duration = Duration::from_millis(10);
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
pub(crate) fn start(engine: &wasmtime::Engine, pools: &Arc<Pools>) -> std::io::Result<()> {
    let (engine, pools) = (engine.weak(), Arc::downgrade(pools));
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let (mut busy, mut inspected) = (false, 0);
        loop {
            thread::sleep(if busy { TICK } else { IDLE_TICK });
            let (Some(engine), Some(pools)) = (engine.upgrade(), pools.upgrade()) else { return };
            engine.increment_epoch();
            let now = clock::now();
            if now >= inspected + INSPECTION_MILLIS {
                inspected = now;
                busy = false;
                for pool in pools.live() {
                    busy |= pool.inspect(now);
                }
            }
        }
    })?;
    Ok(())
}
