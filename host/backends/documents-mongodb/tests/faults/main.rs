//! Commits under faults: hosts that die or stop between any two steps, hosts that race, connections
//! that break, a server that is away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod commits;
mod crash;
mod hosts;
