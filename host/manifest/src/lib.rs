//! Reads and validates `spin.toml`, the one manifest of an application.
//!
//! The file is a Spin manifest, version 2. What only this host reads stands in the tables
//! `[application.tool.pingtalk]` and `[component.NAME.tool.pingtalk]`, which Spin ignores: grants,
//! budgets, collections with their indexes, queues, rate limits. Nothing is allowed to a component
//! that does not stand there.
//!
//! # What can fail
//! [`Manifest::parse`] returns every [`Finding`] at once, each with the file, the line, the key's
//! path, what is wrong and how to put it right. An unknown key in one of our tables is an error;
//! one in Spin's tables is a warning, because Spin may have learnt a key since. References
//! between the parts (a grant on a collection nobody declares) are checked by
//! [`Manifest::check`], which `parse` runs too.
//!
//! This crate reads neither the environment nor any other file, and knows no backend.

mod address;
mod application;
mod budgets;
mod check;
mod collections;
mod component;
mod finding;
mod grants;
mod manifest;
mod nearest;
mod outbound;
mod reader;
mod report;
mod settings;
mod sockets;
mod trigger;
mod units;
mod variables;

pub use application::{Application, HostSettings, RateLimit};
pub use budgets::Budgets;
pub use collections::{Collection, Index};
pub use component::{Build, Component, ComponentSettings, Dependency, HttpSettings};
pub use finding::{Finding, Findings, Location, Severity};
pub use grants::{Access, DocumentGrant, Queue};
pub use manifest::Manifest;
pub use outbound::{HostPattern, OutboundHost, PortPattern};
pub use sockets::SocketSettings;
pub use trigger::{HttpTrigger, Route};
pub use variables::{MissingVariable, Template, Variable};
