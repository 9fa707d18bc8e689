//! Rate limits that hosts share through Redis.
//!
//! A bucket is one number, the time at which it is empty again (GCRA), in one key that expires by
//! itself. A script reads and moves it by Redis's own clock, so that neither two requests at once
//! nor two hosts' clocks can disagree. One round trip a request.
//!
//! What can fail is Redis's being away: the error says so, and the caller's own limit goes on.

mod backend;

pub use backend::RedisLimits;
