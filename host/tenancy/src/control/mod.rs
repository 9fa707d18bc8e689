//! The control store: which tenants there are, what they run, and what was changed by whom.
//!
//! It is a set of documents in a namespace of its own, behind the same trait as tenants' documents:
//! SQLite on one host, MongoDB for several. Hosts follow it by its revision, a number that every
//! change raises (docs/decisions/0013).
//!
//! A change is one commit whose first write decides it, so that it happens wholly or not at all.
//! Two operators who change one tenant at once don't overwrite each other: the second one's change
//! is applied to what the first one left.

mod artifacts;
mod budgets;
mod codec;
mod error;
mod journal;
mod record;
mod releases;
mod secret;
mod store;
mod tenants;

pub use artifacts::{Digest, InvalidDigest};
pub use budgets::TenantBudgets;
pub use error::ControlError;
pub use record::{AuditEntry, Canary, DeploymentRecord, Kind, ReleaseRecord, TenantRecord};
pub use secret::{ControlKey, InvalidKey, Sealed};
pub use store::{ControlStore, collections, now};
