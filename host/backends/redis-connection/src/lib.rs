//! The connection to Redis that the Redis backends share.
//!
//! One connection carries every command of a host, many at once ([`Redis`]); a thread of its own
//! opens it, watches it and opens it again. Redis is never the only copy of anything, so its being
//! away must cost callers little: while it is known to be away a command fails at once, and else
//! within a time-out. That is [`Away`], the one error here.
//!
//! Commands that wait inside Redis (`XREAD BLOCK`, `SUBSCRIBE`) would hold up everybody else's and
//! take a connection of their own ([`Redis::dedicated`]).
//!
//! # Order over a break
//! A command whose answer never came may still lie in the old connection's buffers. Before a new
//! connection is used, the server is told to drop the old one (`CLIENT KILL ID`), so that nothing
//! sent over the old one takes effect after anything sent over the new one. Where the server
//! refuses that command, the order is likely but not certain.

mod away;
mod config;
mod dedicated;
mod keeper;
mod link;
mod shared;
mod state;
mod stream;

pub use away::Away;
pub use config::{Config, InvalidAddress, InvalidCertificates};
pub use dedicated::Dedicated;
pub use link::{Unreachable, try_connect};
pub use shared::Redis;
