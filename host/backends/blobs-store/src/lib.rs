//! Blobs in an object store; the embedded default is a folder of files.
//!
//! A blob appears whole or not at all: it is written beside its place, synced, then renamed. Its
//! content type is found by looking at its first bytes, each time, and never taken from a client.

mod backend;
mod config;
mod content_type;
mod leftovers;
mod upload;

pub use backend::FileBlobs;
pub use config::Config;
