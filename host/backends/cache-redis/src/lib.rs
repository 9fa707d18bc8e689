//! A cache in Redis, shared by all hosts and, for the default tenant, with the original services:
//! its keys and values are exactly theirs.
//!
//! Losing the cache must only cost time, so the hard part is its being away and coming back:
//!
//! - A change that did not reach Redis leaves an old value there. Its key is owed a deletion
//!   ([`owed`]): until that is done, this host's readers find nothing under it.
//! - Another server process may lack what its predecessor had confirmed: what this host changed
//!   lately is then owed as well ([`recent`]).
//! - Counters go on in this host's memory meanwhile, from where they stood ([`counters`]), and what
//!   they counted is added when Redis is back: an outage does not open the throttles.
//! - Everything else fails at once or within the connection's time-out, and callers go on without.
//!
//! What that can't cover (other hosts' reads in between, a host that dies while it owes) ends with
//! the values' expiry; docs/decisions/0010 has the list.

mod backend;
mod config;
mod counters;
mod examine;
mod keys;
mod owed;
mod recent;
mod settle;

pub use backend::RedisCache;
pub use config::Config;
pub use examine::examine;
