//! Who is served by what: tenants, the releases they run, and the switch from one to the next.
//!
//! A [`Tenant`] points to one [`Release`]; a [`ComponentHandle`] follows that pointer at each call.
//! So whoever holds a handle (a route, a socket, a queue) never learns of a release, and a switch
//! drops neither a request nor a socket. Assembling a release checks each component's imports
//! against its grants ([`assemble`]).

pub mod assemble;
mod component;
mod release;
mod service;
mod tenant;

pub use component::ComponentHandle;
pub use release::Release;
pub use service::Service;
pub use tenant::{DRAIN_TIME, Tenant};
