//! The admin API as its clients see it, on a real control store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod artifacts;
mod audit;
mod openapi;
mod support;
mod tenants;
