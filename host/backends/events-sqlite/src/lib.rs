//! Durable queues on SQLite, for the embedded default.
//!
//! Each tenant has one database file and one writer thread, which does all that touches it. What
//! waits, what died and, for a week, which events were seen is on disk ([`table`]); what is in flight is in
//! memory only ([`lane`]), so that a process's death returns it.

mod backend;
mod config;
mod core;
mod delivery;
mod error;
mod lane;
mod table;

pub use backend::SqliteEvents;
pub use config::Config;
