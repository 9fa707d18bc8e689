//! Who is served by what: tenants, the releases they run, and the switch from one to the next.
//!
//! A [`Tenant`] points to one [`Release`]; a [`ComponentHandle`] follows that pointer at each call.
//! So whoever holds a handle (a route, a socket, a queue) never learns of a release, and a switch
//! drops neither a request nor a socket. Assembling a release checks each component's imports
//! against its grants ([`assemble`]).
//!
//! What an operator set up lies in the [`control`] store. Every host has a [`Directory`] of all
//! tenants, opens those that are asked for, and follows the store; [`deploy`] puts a new release
//! into it.

pub mod assemble;
mod component;
pub mod control;
pub mod deploy;
mod directory;
mod follow;
mod maximum;
mod release;
mod service;
mod tenant;
mod variables;

pub use component::ComponentHandle;
pub use directory::{Directory, DirectoryConfig, Entry, OpenError, Opener};
pub use follow::Follower;
pub use maximum::ComponentMaximum;
pub use release::Release;
pub use service::Service;
pub use tenant::{DRAIN_TIME, Tenant, Trial};
pub use variables::values;
