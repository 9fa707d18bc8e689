//! The bus between a tenant's hosts, on a Redis stream.
//!
//! A stream is a log that Redis orders: every host appends what it says and reads what all say, so
//! that all hear the same in the same order, and a host whose connection broke reads on where it
//! stopped. That is what publish and subscribe lacks, where an outage of a second is a silent gap.
//!
//! - `pending`: what this host says, until Redis has taken it; bounded.
//! - `writer`: a task that appends it, many notices in one round trip.
//! - `reader`: reads what others say, from the last entry on.
//! - `origins`: who has said how much, by which repeats and gaps show.
//! - `entry`, `stream`: one entry as bytes, and the answers of Redis as entries.
//!
//! Memory in Redis is bounded by time: each append drops what is older than the retention, by the
//! times Redis itself put into the ids. A host that was away for longer finds its last entry gone
//! and reports a loss. So does one that finds another Redis in its place.
//!
//! Redis 6.2 or later (`XADD … MINID`).

mod backend;
mod checkup;
mod config;
mod entry;
mod origins;
mod pause;
mod pending;
mod reader;
mod stream;
mod writer;

pub use backend::RedisCluster;
pub use checkup::examine;
pub use config::Config;
