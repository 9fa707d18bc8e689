//! The server as the host sees it.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use async_trait::async_trait;
use http::{Request, Response};
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, HttpHandler, SocketHandler},
    cluster::{self, Cluster},
    sockets::DisconnectReason,
};

use crate::{
    cluster::{Listening, Membership},
    config::Config,
    core::{Core, Front},
    transport::{Admissions, Endpoint},
};

/// How often `drain` looks whether it is done.
const DRAIN_STEP: std::time::Duration = std::time::Duration::from_millis(10);

/// One tenant's Socket.IO server.
///
/// It is also the tenant's [`pingtalk_capabilities::sockets::Sockets`], which a component needs
/// before its handler exists: make the server, then the component, then [`SocketServer::serve`].
pub struct SocketServer {
    pub(crate) core: Arc<Core>,
    endpoint: Endpoint,
    admissions: Arc<Admissions>,
    listening: OnceLock<Listening>,
}

/// What a server holds at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Engine.IO connections, those on their way in and out included.
    pub connections: usize,
    /// Sockets, those still connecting included: a connection has one for each namespace.
    pub sockets: usize,
    /// Users with a socket.
    pub users: usize,
    /// Rooms with a member.
    pub rooms: usize,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
    /// How the bus to the other hosts does; None for a host on its own.
    pub cluster: Option<cluster::Stats>,
}

impl std::fmt::Debug for SocketServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketServer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl SocketServer {
    /// Makes a server. Until [`SocketServer::serve`] it refuses clients with an internal error.
    #[must_use]
    pub fn new(config: Config) -> Arc<Self> {
        let admissions =
            Arc::new(Admissions::new(config.max_connections, config.max_connections_per_address));
        let core = Arc::new(Core::new(config));
        let front = Arc::new(Front(Arc::clone(&core)));
        let endpoint = Endpoint::new(core.config.transport(), Arc::clone(&admissions), front);
        Arc::new(Self { core, endpoint, admissions, listening: OnceLock::new() })
    }

    /// Becomes one of several hosts that deliver to each other's sockets. To be called once, before
    /// the first client; it waits for the bus a moment, and goes on without if that is away.
    pub async fn join_cluster(&self, bus: Arc<dyn Cluster>) {
        let subscription = bus.subscribe().await;
        if self.core.join_cluster(Membership::new(bus)) {
            let _ = self.listening.set(Listening::start(&self.core, subscription));
        } else {
            tracing::error!("a socket server can be in one cluster only");
        }
    }

    /// Takes leave of the other hosts: what they are still to be told is flushed, at most for this
    /// long. To be called as the last, when no component emits any more.
    pub async fn leave_cluster(&self, within: std::time::Duration) {
        if let Some(membership) = self.core.membership() {
            let told = membership.bus.leave(within).await;
            if !told {
                tracing::warn!("the other hosts could not be told everything");
            }
        }
    }

    /// Has this handler called from now on. Sockets stay connected over a change.
    pub fn serve(&self, handler: Arc<dyn SocketHandler>) {
        self.core.serve(handler);
    }

    /// What the server holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let connections = self.core.connections.values();
        let links = connections.iter().filter_map(std::sync::Weak::upgrade);
        Stats {
            connections: self.admissions.open(),
            sockets: self.core.registry.socket_count(),
            users: self.core.registry.user_count(),
            rooms: self.core.registry.room_count(),
            queued_bytes: links.map(|connection| connection.link.queued_bytes()).sum(),
            cluster: self.core.membership().map(|membership| membership.bus.stats()),
        }
    }

    /// Refuses new clients, closes all connections so that their clients reconnect (elsewhere),
    /// and waits until the component has heard of each, at most for the configured time.
    pub async fn drain(&self) {
        self.endpoint.refuse_new();
        let until = Instant::now() + self.core.config.drain_timeout;
        loop {
            // Again each time: some were on their way in.
            for connection in self.core.connections.values() {
                if let Some(connection) = connection.upgrade() {
                    connection.end(DisconnectReason::Shutdown);
                }
            }
            let done = self.core.unfinished() == 0 && self.admissions.open() == 0;
            if done || Instant::now() >= until {
                return;
            }
            tokio::time::sleep(DRAIN_STEP).await;
        }
    }
}

#[async_trait]
impl HttpHandler for SocketServer {
    async fn handle(
        &self,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        Ok(self.endpoint.handle(context, request).await)
    }
}
