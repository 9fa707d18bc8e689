//! A host's figures at one moment. Counters only grow while their tenant is open here; whoever
//! wants rates takes two looks.

use serde::Serialize;

/// Upper bounds of the latency histogram's buckets, in milliseconds. One more bucket holds what is
/// above the last.
pub const LATENCY_BOUNDS_MS: [f64; 14] =
    [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0];

/// The host and what it serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostStatus {
    /// The binary's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// CPU time so far, in seconds.
    pub cpu_seconds: f64,
    /// Threads that serve requests.
    pub cores: usize,
    /// Tenants in the control store.
    pub tenants_known: usize,
    /// The front door.
    pub gateway: GatewayStatus,
    /// Tenants that are open here, by name.
    pub tenants: Vec<TenantStatus>,
}

/// The gateway's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GatewayStatus {
    /// Connections open now.
    pub connections: u64,
    /// Requests whose response has not ended.
    pub in_flight: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused at the bound.
    pub refused: u64,
    /// Requests that reached no route.
    pub unrouted: u64,
    /// Requests over a rate limit.
    pub rate_limited: u64,
    /// Connections ended because a head or the client's reading took too long.
    pub overdue: u64,
}

/// An open tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TenantStatus {
    /// Its name.
    pub name: String,
    /// The release in force.
    pub release: String,
    /// The release on trial and its share in percent.
    pub canary: Option<(String, u8)>,
    /// Linear memory of all its instances, in bytes.
    pub memory_bytes: u64,
    /// Documents stored, as measured last; 0 for a tenant without bounds on them.
    pub stored_documents: u64,
    /// Bytes of documents, their indexes and blobs, as measured last.
    pub stored_bytes: u64,
    /// Its routes.
    pub routes: Vec<RouteStatus>,
    /// The components of its releases.
    pub components: Vec<ComponentStatus>,
    /// Its sockets.
    pub sockets: SocketStatus,
    /// Its queues.
    pub queues: Vec<QueueStatus>,
}

/// One route's figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RouteStatus {
    /// Its path.
    pub route: String,
    /// The component behind it; none for files and sockets.
    pub component: Option<String>,
    /// Responses by class: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub responses: [u64; 5],
    /// Time to the response's head, summed, in seconds.
    pub seconds: f64,
    /// Responses by time to their head, see [`LATENCY_BOUNDS_MS`].
    pub latency: Vec<u64>,
}

/// One component of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ComponentStatus {
    /// Its name.
    pub component: String,
    /// The release.
    pub release: String,
    /// The digest of its bytes.
    pub digest: String,
    /// Live instances.
    pub instances: u64,
    /// Linear memory of the live instances, in bytes.
    pub memory_bytes: u64,
    /// CPU time so far, in seconds.
    pub cpu_seconds: f64,
    /// Seconds that instances waited because the tenant had used its CPU time.
    pub throttled_seconds: f64,
    /// Calls of the host's capabilities.
    pub host_calls: u64,
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
    /// Instances started.
    pub started: u64,
    /// Instances dropped because of a trap or an overrun.
    pub killed: u64,
}

/// A tenant's sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SocketStatus {
    /// Engine.IO connections.
    pub connections: usize,
    /// Sockets: a connection has one for each namespace.
    pub sockets: usize,
    /// Users with a socket.
    pub users: usize,
    /// Rooms with a member.
    pub rooms: usize,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
}

/// One queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Its name.
    pub queue: String,
    /// Events that wait; none when the broker did not say.
    pub waiting: Option<u64>,
    /// Dead letters; none when the broker did not say.
    pub dead: Option<u64>,
}
