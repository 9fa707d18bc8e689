//! The Cloudinary backend against a server that behaves, and refuses, as Cloudinary documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod account;
mod contract;
mod doctor;
mod faults;
mod pictures;
mod server;
