//! What a store holds: the guest's side of the host.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use pingtalk_capabilities::{
    rate::Rate,
    trace::{Kind, Span},
};
use wasmtime::{
    ResourceLimiter, StoreContextMut, UpdateDeadline,
    component::{Accessor, GuestTaskId, HasData, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    capabilities::Capabilities,
    control::Control,
    counters::count,
    http::Hooks,
    pool::Pool,
    quota::Quota,
    stdio,
    ticket::Ticket,
    watchdog::{EPOCH, EPOCHS_IN_BACKGROUND, EPOCHS_ON_CORE},
};

/// How long an overdue call may still compute: its import may just have told it that the deadline
/// passed, and a guest that then ends by itself spares the other calls.
const OVERDUE_COMPUTES: Duration = Duration::from_millis(10);

/// A pause that a timer can keep.
pub(crate) const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// The `T` of every store.
pub(crate) struct State {
    pub(crate) pool: Arc<Pool>,
    pub(crate) control: Arc<Control>,
    pub(crate) memory: MemoryLimiter,
    /// Which call each running task of the guest serves.
    calls: HashMap<GuestTaskId, Arc<Ticket>>,
    /// Who was running when a budget ran out, and which.
    guilty: Option<(Option<Arc<Ticket>>, Arc<str>)>,
    last_turn: u32,
    /// For how long guest code has been running in this turn of the worker.
    computed: Duration,
    writer: Arc<stdio::Writer>,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
}

/// Marks the capability glue for the bindings.
pub(crate) struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut State;
}

/// What an import needs to know of the call it serves.
pub(crate) struct Import {
    pub(crate) pool: Arc<Pool>,
    pub(crate) deadline: Instant,
    /// From the guest's call to its answer.
    pub(crate) span: Span,
    /// How long the tenant has to wait for having called so often.
    pause: Duration,
}

impl Import {
    /// Ends with `late` when the call's deadline comes before the answer, so that a slow backend
    /// costs its call and not the instance.
    pub(crate) async fn within<T, E>(
        &self,
        late: impl FnOnce() -> E,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: std::fmt::Display,
    {
        let answer = async {
            if self.pause >= LEAST_PAUSE {
                tokio::time::sleep(self.pause).await;
            }
            answer.await
        };
        let answer = match tokio::time::timeout_at(self.deadline.into(), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(late()),
        };
        if let Err(error) = &answer {
            self.span.fail(error.to_string());
        }
        answer
    }

    /// Takes so many events from the tenant's account.
    pub(crate) fn publishes(&mut self, events: usize) {
        if events > 0 {
            let pause = pause(&self.pool.limits.quota.events, events as u64, self.deadline);
            self.pause = self.pause.max(pause);
        }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.pool.capabilities
    }
}

/// How long to wait for some of a tenant's account: for ever if longer than until the deadline.
fn pause(rate: &Rate, units: u64, deadline: Instant) -> Duration {
    let patience = deadline.saturating_duration_since(Instant::now());
    rate.take_within(units, patience).unwrap_or(Duration::MAX)
}

/// Finds the call that an import serves and marks it as one that can't be repeated. `name` is the
/// import's in traces.
pub(crate) fn import(
    accessor: &Accessor<State, Host>,
    name: &'static str,
) -> wasmtime::Result<Import> {
    accessor.with(|mut access| {
        use wasmtime::AsContextMut;
        let task = access.as_context_mut().async_call_stack()?.last();
        let state = access.get();
        let pool = Arc::clone(&state.pool);
        let (deadline, span) = match task.and_then(|task| state.calls.get(&task)) {
            Some(ticket) => {
                ticket.touch();
                (ticket.deadline(), ticket.trace.child(Kind::Client, || name.into()))
            }
            // Work that goes on after its call was answered.
            None => (Instant::now() + pool.limits.wall_time, Span::default()),
        };
        count(&pool.counters(state.control.core).host_calls, 1);
        let pause = pause(&pool.limits.quota.host_calls, 1, deadline);
        Ok(Import { pool, deadline, span, pause })
    })
}

impl State {
    pub(crate) fn new(pool: Arc<Pool>, control: Arc<Control>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(pool.limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(pool.limits.header_bytes);
        let writer = stdio::Writer::new(Arc::clone(&pool.log));
        let wasi = WasiCtx::builder()
            .max_random_size(pool.limits.random_bytes)
            .stdout(stdio::Output::new(Arc::clone(&writer), stdio::Stream::Out))
            .stderr(stdio::Output::new(Arc::clone(&writer), stdio::Stream::Error))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self {
            memory: MemoryLimiter::new(
                pool.limits.memory_bytes,
                pool.limits.table_elements,
                Arc::clone(&pool.limits.quota),
                &control,
            ),
            hooks: Hooks::new(Arc::clone(&pool.outbound)),
            pool,
            control,
            calls: HashMap::new(),
            guilty: None,
            last_turn: 0,
            computed: Duration::ZERO,
            writer,
            table,
            wasi,
            http,
        }
    }

    /// Which import sends the guest's next request.
    pub(crate) fn about_to_send(&mut self, import: &Import) {
        self.hooks.about_to_send(import.deadline, import.span.trace().clone());
    }

    /// The task serves this call from now on.
    pub(crate) fn begin(&mut self, task: GuestTaskId, ticket: Arc<Ticket>) {
        self.calls.insert(task, ticket);
    }

    /// The task has answered.
    pub(crate) fn finish(&mut self, task: GuestTaskId) {
        self.calls.remove(&task);
    }

    pub(crate) fn call(&self, task: GuestTaskId) -> Option<Arc<Ticket>> {
        self.calls.get(&task).cloned()
    }

    /// The task is about to write to one of its streams, perhaps to its log.
    pub(crate) fn writes(&mut self, task: Option<GuestTaskId>) -> &mut ResourceTable {
        self.writer.serves(task.and_then(|task| self.call(task)));
        &mut self.table
    }

    pub(crate) fn take_guilty(&mut self) -> Option<(Option<Arc<Ticket>>, Arc<str>)> {
        self.guilty.take()
    }
}

/// How long guest code runs before it gives way, in epochs.
pub(crate) fn epochs_a_turn(control: &Control) -> u32 {
    if control.in_background() { EPOCHS_IN_BACKGROUND } else { EPOCHS_ON_CORE }
}

/// Runs every so many epochs for as long as guest code runs. Gives way to the thread's other
/// work, and ends a call that is over its deadline or its share of the CPU.
pub(crate) fn tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let task = store.async_call_stack()?.last();
    let state = store.data_mut();
    let turn = state.control.turns.load(Ordering::Relaxed);
    let epochs = epochs_a_turn(&state.control);
    let first = turn != state.last_turn;
    state.last_turn = turn;
    if first {
        // The end of an epoch says nothing about how long this call has run; the next one does.
        state.computed = Duration::ZERO;
        return Ok(UpdateDeadline::Continue(epochs.into()));
    }
    state.computed += EPOCH * epochs;
    let running = task.and_then(|task| state.call(task));
    let limit = state.pool.limits.cpu_time;
    if state.computed > limit {
        let reason: Arc<str> = format!("it computed for {limit:?} without giving way").into();
        state.guilty = Some((running, Arc::clone(&reason)));
        return Err(wasmtime::format_err!("{reason}"));
    }
    if state.computed > OVERDUE_COMPUTES && running.as_ref().is_some_and(|ticket| ticket.overdue())
    {
        state.guilty = Some((running, "the deadline passed".into()));
        return Err(wasmtime::format_err!("the deadline passed"));
    }
    if !state.control.spinning.swap(true, Ordering::Relaxed) {
        state.pool.kick(state.control.core);
    }
    Ok(UpdateDeadline::YieldCustom(epochs.into(), Box::pin(tokio::task::yield_now())))
}

/// Bounds the memory of a whole instance: its memories and tables together.
pub(crate) struct MemoryLimiter {
    control: Arc<Control>,
    memory: usize,
    memory_limit: usize,
    elements: usize,
    element_limit: usize,
    /// The account of the whole tenant.
    quota: Arc<Quota>,
    tenant_full: bool,
    refused: Option<Arc<str>>,
}

impl MemoryLimiter {
    fn new(
        memory_limit: usize,
        element_limit: usize,
        quota: Arc<Quota>,
        control: &Arc<Control>,
    ) -> Self {
        Self {
            control: Arc::clone(control),
            memory: 0,
            memory_limit,
            elements: 0,
            element_limit,
            quota,
            tenant_full: false,
            refused: None,
        }
    }

    /// Linear memory in use, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// True when the tenant had no memory left, whatever this instance used of it.
    pub(crate) fn tenant_full(&self) -> bool {
        self.tenant_full
    }

    /// The limit that was hit last, in words.
    pub(crate) fn refused(&self) -> Option<Arc<str>> {
        self.refused.clone()
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.quota.memory.give_back(self.memory as u64);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            let limit = self.memory_limit;
            self.refused = Some(format!("it wanted more than its {limit} bytes of memory").into());
            return Ok(false);
        }
        let more = total.saturating_sub(self.memory) as u64;
        if !self.quota.memory.take(more) {
            let limit = self.quota.memory.limit();
            self.tenant_full = true;
            self.refused =
                Some(format!("its tenant wanted more than {limit} bytes of memory").into());
            return Ok(false);
        }
        self.memory = total;
        self.control.memory.store(total, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_add(desired.saturating_sub(current));
        if total > self.element_limit {
            let limit = self.element_limit;
            self.refused = Some(format!("it wanted more than its {limit} table elements").into());
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}
