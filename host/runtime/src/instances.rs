//! The instances of one component for one tenant and release.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, EventHandler, HttpHandler, SocketHandler},
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
    trace::{Kind, Span, Trace},
};
use tokio::sync::oneshot;

use crate::{
    call::Call,
    capabilities::{Capabilities, Names},
    component::{Component, LoadError},
    counters::count,
    engine::Engine,
    exports::Exports,
    glue,
    http::{Outbound, Request},
    limits::Limits,
    pool::{Job, Pool},
    ticket::{Answer, Ended, Ticket},
    worker,
};

/// How often a drain looks whether it is done.
const DRAIN_PAUSE: Duration = Duration::from_millis(5);

/// A moment's figures of one [`Instances`]. Counters only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Live instances.
    pub instances: u64,
    /// Calls being served.
    pub in_flight: u64,
    /// Calls waiting for an instance.
    pub waiting: u64,
    /// Calls taken.
    pub calls: u64,
    /// Calls refused as overloaded.
    pub overloaded: u64,
    /// Calls that missed their deadline.
    pub deadline_exceeded: u64,
    /// Calls that trapped or went over a budget.
    pub failed: u64,
    /// Calls lost with another call's instance.
    pub lost: u64,
    /// Calls tried again on a fresh instance.
    pub retried: u64,
    /// Calls served by another core than the one they arrived on.
    pub moved: u64,
    /// Instances started.
    pub started: u64,
    /// Instances dropped because of a trap or an overrun.
    pub killed: u64,
    /// Calls of the host's capabilities.
    pub host_calls: u64,
    /// How long instances had to wait because their tenant had used its CPU time.
    pub throttled: Duration,
    /// Linear memory of the live instances, in bytes.
    pub memory_bytes: u64,
    /// CPU time of all instances so far.
    pub busy: Duration,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call had finished.
    Finished,
    /// The deadline came first; this many calls were cut off.
    CutOff(u64),
}

/// Runs one component for one tenant and release. Dropping it ends its idle instances at once and
/// the others with their last call.
pub struct Instances {
    pool: Arc<Pool>,
}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances")
            .field("names", &self.pool.names)
            .field("component", &self.pool.component)
            .finish_non_exhaustive()
    }
}

impl Instances {
    /// Links a component to its capabilities. No instance is started yet (see
    /// [`Instances::prove`]).
    ///
    /// # Errors
    /// When the component imports what it was not granted or what the host does not have.
    pub fn new(
        engine: &Arc<Engine>,
        component: Arc<Component>,
        names: Names,
        capabilities: Capabilities,
        mut limits: Limits,
    ) -> Result<Arc<Self>, LoadError> {
        glue::check_grants(&component, &capabilities)?;
        limits.memory_bytes = limits.memory_bytes.min(engine.max_memory_bytes());
        let unlinkable = |error: wasmtime::Error| LoadError::Unlinkable {
            name: component.name().into(),
            reason: format!("{error:#}").into(),
        };
        let linked = engine.linker().instantiate_pre(component.compiled()).map_err(unlinkable)?;
        let exports = Exports::new(linked, component.serves()).map_err(unlinkable)?;
        let outbound = Outbound::new(capabilities.outbound.clone(), Arc::clone(&limits.quota))
            .map_err(|error| LoadError::InvalidGrant {
                name: component.name().into(),
                reason: error.to_string().into(),
            })?;
        let engine_of_pool = Arc::clone(engine);
        let pool =
            Pool::new(engine_of_pool, component, exports, names, capabilities, outbound, limits);
        engine.watch(&pool);
        Ok(Arc::new(Self { pool }))
    }

    /// Whom it runs for.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.pool.names
    }

    /// What it runs.
    #[must_use]
    pub fn component(&self) -> &Arc<Component> {
        &self.pool.component
    }

    /// Starts one instance and drops it, to show that the component starts.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn prove(&self) -> Result<(), LoadError> {
        worker::prove(&self.pool).await.map_err(|reason| LoadError::DoesNotStart {
            name: self.pool.component.name().into(),
            reason,
        })
    }

    /// Takes no more calls, and waits until those in hand are done or the deadline has come; then
    /// every instance is dropped.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        self.pool.close();
        loop {
            let load = self.pool.load();
            if load == 0 || Instant::now() >= deadline {
                self.pool.stop(load > 0);
                return if load == 0 { Drained::Finished } else { Drained::CutOff(load) };
            }
            tokio::time::sleep(DRAIN_PAUSE).await;
        }
    }

    /// The current figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// Makes a call; once more on another instance when the first one was lost before anything of
    /// the call had left it.
    async fn call<T>(
        &self,
        context: CallContext,
        make: impl Fn(oneshot::Sender<T>) -> Call + Send,
    ) -> Result<T, CallError>
    where
        T: Send,
    {
        let span = self.begin(&context.trace);
        let answer = self.attempt(&context, span.trace(), make).await;
        if let Err(error) = &answer {
            span.fail(error.to_string());
        }
        answer
    }

    /// The span of a call: from its enqueueing to its answer.
    fn begin(&self, trace: &Trace) -> Span {
        let names = self.names();
        let span = trace.child(Kind::Internal, || names.component.to_string().into());
        if span.recording() {
            span.set("pingtalk.tenant", names.tenant.as_str().to_owned());
            span.set("pingtalk.component", Arc::clone(&names.component));
            span.set("pingtalk.release", Arc::clone(&names.release));
        }
        span
    }

    async fn attempt<T>(
        &self,
        context: &CallContext,
        trace: &Trace,
        make: impl Fn(oneshot::Sender<T>) -> Call + Send,
    ) -> Result<T, CallError>
    where
        T: Send,
    {
        let deadline = context.deadline.min(Instant::now() + self.pool.limits.wall_time);
        let mut retried = false;
        loop {
            let ticket = Ticket::new(Arc::clone(&context.request_id), deadline, trace.clone());
            let (reply, receiver) = oneshot::channel();
            self.pool.submit(Job { ticket: Arc::clone(&ticket), call: make(reply) })?;
            match Answer::new(Arc::clone(&ticket), receiver).await {
                Ok(answer) => return Ok(answer),
                Err(Ended::Lost) if self.pool.closing() => return Err(CallError::ShuttingDown),
                Err(Ended::Lost) if !retried && !ticket.touched() => {
                    count(&self.pool.home_counters().retried, 1);
                    retried = true;
                }
                Err(ended) => return Err(ended.into()),
            }
        }
    }

    fn serves_sockets(&self) -> Result<(), CallError> {
        if self.pool.component.serves().sockets { Ok(()) } else { Err(CallError::NotExported) }
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        self.pool.close();
        self.pool.stop(false);
    }
}

#[async_trait]
impl HttpHandler for Instances {
    async fn handle(
        &self,
        context: CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        if self.pool.component.serves().http.is_none() {
            return Err(CallError::NotExported);
        }
        let request = Request::new(request, context.secure);
        self.call(context, move |reply| Call::Http { request: request.clone(), reply }).await?
    }
}

#[async_trait]
impl EventHandler for Instances {
    async fn handle(&self, context: CallContext, event: Event) -> Result<Disposition, CallError> {
        if !self.pool.component.serves().events {
            return Err(CallError::NotExported);
        }
        self.call(context, move |reply| Call::Event { event: event.clone(), reply }).await
    }
}

#[async_trait]
impl SocketHandler for Instances {
    async fn connect(
        &self,
        context: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        self.serves_sockets()?;
        self.call(context, move |reply| Call::Connect { handshake: handshake.clone(), reply }).await
    }

    async fn receive(
        &self,
        context: CallContext,
        socket: Socket,
        message: Message,
        wants_ack: bool,
    ) -> Result<Option<Ack>, CallError> {
        self.serves_sockets()?;
        let make = move |reply| Call::Receive {
            socket: socket.clone(),
            message: message.clone(),
            wants_ack,
            reply,
        };
        self.call(context, make).await
    }

    async fn disconnect(
        &self,
        context: CallContext,
        socket: Socket,
        reason: DisconnectReason,
    ) -> Result<(), CallError> {
        self.serves_sockets()?;
        let make = move |reply| Call::Disconnect { socket: socket.clone(), reason, reply };
        self.call(context, make).await
    }
}
