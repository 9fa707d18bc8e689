//! The admin API and the operator's console.
//!
//! One request goes through [`Admin::handle`]: the route is found ([`routes`]), the token is checked
//! against the route's scope ([`token`]), and the route's function answers. Every change, and every
//! change that was refused, is written into the control store's audit log before the answer goes
//! out.
//!
//! The API is described by `api/openapi.json`, which a test holds against the table of routes. What is
//! kept in the control store this crate reads and changes itself; what only a running host knows it
//! asks its [`Platform`] for.

mod answer;
mod artifacts;
mod attempts;
mod audit;
mod body;
mod call;
mod console;
mod dead_letters;
mod deployments;
mod handler;
mod host;
mod metrics;
mod platform;
mod problem;
mod routes;
mod sockets;
mod status;
mod tenants;
mod token;

pub use call::{Admin, Parts};
pub use console::{CONSOLE, ConsoleFile, POLICY};
pub use platform::{Platform, PlatformError, Queues};
pub use routes::{MAX_BODY_BYTES, Scope, routes};
pub use status::{
    ComponentStatus, GatewayStatus, HostStatus, LATENCY_BOUNDS_MS, QueueStatus, RouteStatus,
    SocketStatus, TenantStatus,
};
pub use token::{InvalidToken, Token};
