//! SQLite behind threads of its own, shared by the two embedded backends.
//!
//! SQLite blocks and allows one writer; the host's threads must never block. So each database has
//! one writer thread, which commits whatever has queued up with a single sync ([`Writer`]), and a
//! few reader threads ([`Readers`]). Both take closures from bounded queues and refuse
//! ([`Failure::Overloaded`]) rather than grow.

mod connection;
mod failure;
mod folder;
mod lock;
mod queue;
mod readers;
mod registry;
mod writer;

pub use connection::{Settings, open_reader, open_writer};
pub use failure::Failure;
pub use lock::FileLock;
pub use readers::Readers;
pub use registry::Registry;
pub use writer::Writer;
