//! What the tests stand on.

pub(crate) mod guests;
pub(crate) mod numbered;
pub(crate) mod store;
