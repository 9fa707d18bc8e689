//! The plain traits in the middle of the host: what components may ask for, and who answers.
//!
//! The runtime calls these traits for a component; a backend implements them over its driver;
//! decorators add grants, deadlines and faults in between. This crate knows none of those: no
//! driver, no server, no wasmtime, and it never reads the environment.
//!
//! Every handle is made for one tenant (`open(&TenantId, …)`), so that a request outside a tenant
//! can't be expressed.

pub mod blobs;
pub mod cache;
pub mod calls;
pub mod checkup;
pub mod cluster;
pub mod documents;
pub mod events;
pub mod grants;
pub mod limits;
pub mod rate;
pub mod sockets;
pub mod storage;
pub mod tenant;
pub mod trace;

pub use tenant::TenantId;
