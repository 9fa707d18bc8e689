//! Grants: what one component may touch, checked in front of every backend.
//!
//! Each decorator wraps a tenant's handle and refuses, with `Denied` and the name of what is
//! missing, whatever the manifest does not allow. Nothing is allowed by default.

mod blobs;
mod cache;
mod documents;
mod sockets;

pub use blobs::GrantedBlobs;
pub use cache::GrantedCache;
pub use documents::{Access, DocumentGrant, DocumentGrants, GrantedDocuments};
pub use sockets::GrantedSockets;
