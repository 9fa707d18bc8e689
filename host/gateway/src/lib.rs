//! The HTTP front door: from a TCP connection to a component's handler and back.
//!
//! A [`Gateway`] serves [`Site`]s, each a table of [`Route`]s. It owns everything a handler should
//! not have to care about: connection and body bounds, time-outs, the client's address, rate
//! limits, CORS, security headers, request ids, errors as JSON, the access log and the drain.
//! What stands behind a route (a component, the socket server, files) is a
//! [`pingtalk_capabilities::calls::HttpHandler`]; this crate knows none of them by name.
//!
//! # Threads
//! The composition root starts one `current_thread` tokio runtime a core and calls
//! [`Gateway::serve`] on each with its own listener from [`bind`]. A request is served on the
//! thread where its connection was accepted. Rate limits, counters and the connection bound are
//! shared over the cores.
//!
//! # What can fail
//! Binding. After that a client can end its own connection and nothing else: every buffer, queue
//! and wait has a bound in [`Config`], and a failing `accept` is tried again.
//!
//! # Rules of the protocol, where RFC 9112 leaves a choice
//! - A request target in absolute form is accepted; its authority replaces `Host` (section 3.2.2).
//! - A missing, repeated or malformed `Host` is 400 (section 3.2); HTTP/1.0 may go without.
//! - With `Transfer-Encoding` and `Content-Length` both present the first counts, the second is
//!   removed, and the connection closes after the response (section 6.1). Differing lengths are
//!   400; the same one repeated counts once.
//! - `CONNECT` and `TRACE` are 405.
//! - A path that holds a `.` or `..` segment, plain or percent-encoded, is 400: nothing is
//!   normalised, so that what was matched is what the handler sees.

pub mod baseline;
mod blobs;
mod body;
mod client;
mod config;
mod connection;
mod egress;
mod errors;
mod files;
mod gateway;
mod h2;
mod head;
mod listen;
mod metrics;
mod phase;
mod rate_limit;
mod request;
mod request_id;
mod serve;
mod shared_limit;
mod site;
mod tls;
mod transport;

pub use blobs::PublicBlobs;
pub use client::{Cidr, InvalidCidr};
pub use config::Config;
pub use egress::Egress;
pub use files::{StaticFile, StaticFiles};
pub use gateway::Gateway;
pub use listen::bind;
pub use metrics::{LATENCY_BOUNDS, Metrics, RouteMetrics, Snapshot};
pub use pingtalk_front::cors::CorsPolicy;
pub use rate_limit::{RateLimit, RateRule};
pub use site::{Found, Match, OneSite, Route, RouteKind, Site, Sites, Waking};
pub use tls::{InvalidTls, Tls};
