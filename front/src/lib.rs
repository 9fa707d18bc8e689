//! The front door's rules, where they are the same for whoever serves a request: our gateway, or the
//! middleware that stands in front of a component under Spin.

pub mod client;
pub mod cors;
pub mod files;
pub mod headers;
pub mod path;
