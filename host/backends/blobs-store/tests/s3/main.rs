//! The S3 backend against a server that verifies every signature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod contract;
mod doctor;
mod faults;
mod server;
mod uploads;
