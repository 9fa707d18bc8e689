//! The instances of one component for one tenant and release.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, EventHandler, HttpHandler, SocketHandler},
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
};

use crate::{
    capabilities::{Capabilities, Names},
    component::{Component, LoadError},
    engine::Engine,
    limits::Limits,
};

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
    /// Linear memory of the live instances, in bytes.
    pub memory_bytes: u64,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call had finished.
    Finished,
    /// The deadline came first; this many calls were cut off.
    CutOff(u64),
}

/// Runs one component for one tenant and release.
pub struct Instances {
    names: Names,
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
        limits: Limits,
    ) -> Result<Arc<Self>, LoadError> {
        let _ = (engine, component, capabilities, limits);
        Ok(Arc::new(Self { names }))
    }

    /// Whom it runs for.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Starts one instance and drops it, to show that the component starts.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn prove(&self) -> Result<(), LoadError> {
        Ok(())
    }

    /// Takes no more calls, and waits until those in hand are done or the deadline has come; then
    /// every instance is dropped.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        let _ = deadline;
        Drained::Finished
    }

    /// The current figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}

#[async_trait]
impl HttpHandler for Instances {
    async fn handle(
        &self,
        context: CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        let _ = (context, request);
        Err(CallError::NotExported)
    }
}

#[async_trait]
impl EventHandler for Instances {
    async fn handle(&self, context: CallContext, event: Event) -> Result<Disposition, CallError> {
        let _ = (context, event);
        Err(CallError::NotExported)
    }
}

#[async_trait]
impl SocketHandler for Instances {
    async fn connect(
        &self,
        context: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        let _ = (context, handshake);
        Err(CallError::NotExported)
    }

    async fn receive(
        &self,
        context: CallContext,
        socket: Socket,
        message: Message,
        wants_ack: bool,
    ) -> Result<Option<Ack>, CallError> {
        let _ = (context, socket, message, wants_ack);
        Err(CallError::NotExported)
    }

    async fn disconnect(
        &self,
        context: CallContext,
        socket: Socket,
        reason: DisconnectReason,
    ) -> Result<(), CallError> {
        let _ = (context, socket, reason);
        Err(CallError::NotExported)
    }
}
