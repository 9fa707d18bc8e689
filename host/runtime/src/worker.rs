//! Runs one instance: takes calls from its core's queue, serves many at once, ends when it has
//! served enough, has idled for too long, or broke.
//!
//! Two layers. Inside the store, a `poll_fn` finishes calls and starts new ones. Outside, another one
//! measures the time that the store takes and drops it when it has to go: no guest task
//! can be cancelled, and a future inside the store isn't polled while guest code runs.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use wasmtime::{AsContextMut as _, PoolConcurrencyLimitError, Store, component::Accessor};

use crate::{
    control::Control,
    counters::count,
    exports::Guest,
    meter::Meter,
    pool::Pool,
    state::{self, State},
    ticket::{Ended, Ticket},
};

/// A store with more memory than this, in bytes, is dropped on a blocking thread: unmapping 50 MiB
/// takes a millisecond.
const LARGE_STORE_BYTES: usize = 4 * 1024 * 1024;
/// How many calls an instance may take before its thread's other work gets a turn.
const CALLS_A_TURN: usize = 16;

/// Why an instance ended although it could have gone on.
struct Broken {
    guilty: Option<Arc<Ticket>>,
    reason: Arc<str>,
}

/// Starts an instance and runs it to its end.
pub(crate) async fn run(pool: Arc<Pool>, control: Arc<Control>) {
    let mut departure = Departure { pool: &pool, control: &control, failed: None, left: false };
    let mut meter = Meter::new(&pool, &control);
    let (mut store, guest) = match meter.run(start(&pool, &control)).await {
        Ok(started) => started,
        Err(failed) => {
            departure.failed = Some(failed);
            return;
        }
    };
    let outcome = serve(&pool, &control, &mut meter, &mut store, &guest).await;
    control.stop();
    if let Err(broken) = outcome {
        count(&pool.counters(control.core).killed, 1);
        pool.limits.quota.strain();
        departure.report(&broken);
    }
    drop(departure);
    meter.turn(|| discard(store));
}

/// A new store with the component's limits, and an instance in it.
async fn start(
    pool: &Arc<Pool>,
    control: &Arc<Control>,
) -> Result<(Store<State>, Guest), StartFailure> {
    let mut store = prepare(pool, control);
    match pool.exports.instantiate(&mut store).await {
        Ok(guest) => {
            count(&pool.counters(control.core).started, 1);
            Ok((store, guest))
        }
        Err(error) => Err(StartFailure::new(&mut store, &error)),
    }
}

/// Starts an instance and drops it.
pub(crate) async fn prove(pool: &Arc<Pool>) -> Result<(), Arc<str>> {
    let control = Control::new(0, 1, false);
    let mut store = prepare(pool, &control);
    match pool.exports.instantiate(&mut store).await {
        Ok(_) => Ok(()),
        Err(error) => Err(StartFailure::new(&mut store, &error).reason),
    }
}

fn prepare(pool: &Arc<Pool>, control: &Arc<Control>) -> Store<State> {
    let limits = &pool.limits;
    let mut store =
        Store::new(pool.engine.wasmtime(), State::new(Arc::clone(pool), Arc::clone(control)));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(limits.hostcall_bytes);
    store.set_max_component_handles(limits.handles);
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(limits.handles);
    }
    store.set_epoch_deadline(state::epochs_a_turn(control).into());
    store.epoch_deadline_callback(state::tick);
    store
}

struct StartFailure {
    reason: Arc<str>,
    /// The machine or the tenant is full; the component is not to blame.
    full: bool,
}

impl StartFailure {
    fn new(store: &mut Store<State>, error: &wasmtime::Error) -> Self {
        let state = store.data_mut();
        let full = error.is::<PoolConcurrencyLimitError>() || state.memory.tenant_full();
        let reason = state
            .take_guilty()
            .map(|(_, reason)| reason)
            .or_else(|| state.memory.refused())
            .unwrap_or_else(|| describe(error));
        Self { reason, full }
    }
}

/// Leaves the pool however the worker ends, a dropped runtime included, so that no caller waits
/// for a worker that is gone.
struct Departure<'a> {
    pool: &'a Arc<Pool>,
    control: &'a Arc<Control>,
    failed: Option<StartFailure>,
    left: bool,
}

impl Departure<'_> {
    /// Tells every caller in the instance how its call ended.
    fn report(&mut self, broken: &Broken) {
        let counters = self.pool.counters(self.control.core);
        let (lost, failed) = self.control.abandon(broken.guilty.as_ref(), &broken.reason);
        count(&counters.lost, lost);
        count(&counters.failed, u64::from(failed));
        let names = &self.pool.names;
        tracing::warn!(
            tenant = names.tenant.as_str(),
            component = &*names.component,
            release = &*names.release,
            request_id = broken.guilty.as_ref().map(|ticket| &*ticket.request_id),
            reason = &*broken.reason,
            lost,
            "instance dropped"
        );
        self.left = true;
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        self.control.stop();
        if !self.left {
            // Nothing is left in an instance that ended by itself.
            let (lost, _) = self.control.abandon(None, &"the instance ended".into());
            count(&self.pool.counters(self.control.core).lost, lost);
        }
        let ended = self.failed.take().map(|failure| {
            let (tenant, component) =
                (self.pool.names.tenant.as_str(), &*self.pool.names.component);
            if failure.full {
                // The refused calls are counted; under load there are many.
                tracing::debug!(tenant, component, "no room for another instance");
            } else {
                let reason = &*failure.reason;
                tracing::warn!(tenant, component, reason, "instance did not start");
            }
            move || match failure.full {
                true => Ended::Refused,
                false => Ended::Failed(Arc::clone(&failure.reason)),
            }
        });
        self.pool.leave(self.control, ended);
    }
}

/// Serves calls until the instance ends.
async fn serve(
    pool: &Arc<Pool>,
    control: &Arc<Control>,
    meter: &mut Meter<'_>,
    store: &mut Store<State>,
    guest: &Guest,
) -> Result<(), Broken> {
    let may_take = AtomicBool::new(true);
    let suspect = OnceLock::new();
    let outcome = {
        let inside = async |accessor: &Accessor<State>| {
            let mut calls = FuturesUnordered::new();
            let mut left = pool.limits.reuse.max(1);
            let function = guest.any();
            // Dropped before the calls: whatever ends the store's work before its time, they must
            // not look as if they had ended by themselves.
            let breaking = Breaking(Some(control));
            let outcome = poll_fn(|cx| {
                control.turns.fetch_add(1, Ordering::Relaxed);
                control.spinning.store(false, Ordering::Relaxed);
                // Finish first: an overdue call must not be followed by new ones.
                while let Poll::Ready(Some(outcome)) = calls.poll_next_unpin(cx) {
                    if let Err(error) = outcome {
                        return Poll::Ready(Err(error));
                    }
                }
                let ready = function
                    .is_some_and(|f| accessor.poll_ready_for_concurrent_call(f, cx).is_ready());
                if ready
                    && may_take.load(Ordering::Relaxed)
                    && control.room() > 0
                    && pool.has_waiting(control.core)
                    && let Some(job) = pool.take(control.core)
                {
                    may_take.store(false, Ordering::Relaxed);
                    let place = control.admit(Arc::clone(&job.ticket));
                    let served = guest.serve(accessor, job.call, place);
                    let suspect = &suspect;
                    calls.push(async move {
                        let outcome = served.await;
                        if outcome.is_err() {
                            // The first one counts; it has just given up its place.
                            let _ = suspect.set(job.ticket);
                        }
                        outcome
                    });
                    left -= 1;
                    if left == 0 {
                        control.stop();
                        pool.kick(control.core);
                    }
                    // Its first steps happen here; what it starts runs after this turn.
                    if let Poll::Ready(Some(Err(error))) = calls.poll_next_unpin(cx) {
                        return Poll::Ready(Err(error));
                    }
                    if control.room() == 0 {
                        pool.kick(control.core);
                    }
                }
                if !calls.is_empty() || accessor.poll_no_interesting_tasks(cx).is_pending() {
                    return Poll::Pending;
                }
                // A response's last bytes may still wait for their reader.
                if control.stopped() && control.in_flight() == 0 {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending
            })
            .await;
            if outcome.is_ok() {
                breaking.disarm();
            }
            outcome
        };
        let mut inside = pin!(store.run_concurrent(inside));
        poll_fn(|cx| {
            control.waker.register(cx.waker());
            for _ in 0..CALLS_A_TURN {
                if let Some(reason) = control.killed() {
                    return Poll::Ready(Err(reason));
                }
                if meter.poll_paid(cx).is_pending() {
                    return Poll::Pending;
                }
                let poll = meter.turn(|| inside.as_mut().poll(cx));
                if let Poll::Ready(outcome) = poll {
                    return Poll::Ready(Ok(outcome.and_then(|outcome| outcome)));
                }
                // One call at a time until it first waits for something: the calls behind one that
                // only computes go to another instance.
                may_take.store(true, Ordering::Relaxed);
                if !pool.has_waiting(control.core) || control.room() == 0 {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    };
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(blame(store, control, suspect.into_inner(), &error)),
        Err(killed) => Err(Broken { guilty: None, reason: killed.into() }),
    }
}

/// Marks an instance as broken when it is dropped.
struct Breaking<'a>(Option<&'a Control>);

impl Breaking<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Breaking<'_> {
    fn drop(&mut self) {
        if let Some(control) = self.0 {
            control.set_broken();
        }
    }
}

/// Finds out which call broke the instance, and why.
fn blame(
    store: &mut Store<State>,
    control: &Control,
    suspect: Option<Arc<Ticket>>,
    error: &wasmtime::Error,
) -> Broken {
    let task = store.as_context_mut().async_call_stack().ok().and_then(Iterator::last);
    let state = store.data_mut();
    if let Some((guilty, reason)) = state.take_guilty() {
        return Broken { guilty, reason };
    }
    // With a single call there is no doubt.
    let guilty = task.and_then(|task| state.call(task)).or(suspect).or_else(|| control.only_call());
    let reason = match state.memory.refused() {
        Some(limit) => limit,
        None => describe(error),
    };
    Broken { guilty, reason }
}

/// The innermost cause: a trap's own words rather than the stack above them.
fn describe(error: &wasmtime::Error) -> Arc<str> {
    error.root_cause().to_string().into()
}

/// Drops a store where it disturbs nobody.
fn discard(store: Store<State>) {
    if store.data().memory.memory() > LARGE_STORE_BYTES {
        tokio::task::spawn_blocking(move || drop(store));
    }
}
