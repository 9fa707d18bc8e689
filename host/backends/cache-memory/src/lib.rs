//! A cache in this process's memory, for the embedded default.
//!
//! Bounded by bytes per tenant, so that no tenant pushes out another's entries. It never fails: a
//! full cache forgets.

mod backend;
mod config;
mod entry;

pub use backend::MemoryCache;
pub use config::Config;
