//! Tenants with a real control store (SQLite), and releases with real guests (`tests/guests`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod canary;
mod control;
mod deploy;
mod directory;
mod support;
mod switch;
