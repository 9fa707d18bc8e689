//! Runs WebAssembly components on wasmtime, behind an interface without any wasmtime type.
//!
//! [`Engine`] compiles a component, [`Instances`] runs it for one tenant and release, and
//! implements the traits of [`pingtalk_capabilities::calls`], which is all that the servers in
//! front see. What a component may ask of the host is what its [`Capabilities`] hold.
//!
//! # Threads
//! Every core has one thread with a `current_thread` tokio runtime; it calls [`enter_core`] once.
//! A call is served by an instance of the core where it arrived, and goes to another core only
//! when this one's instances are all busy.
//!
//! # What can fail
//! Loading ([`LoadError`]) and calling (`CallError`). A guest can end its own calls and its own
//! instance, nothing else: memory, time, handles and queues are bounded ([`Limits`]).

mod bindings;
mod call;
mod capabilities;
mod clock;
mod compile_cache;
mod compiler;
mod component;
mod control;
mod conv;
mod cores;
mod counters;
mod engine;
mod exports;
mod glue;
mod heartbeat;
mod http;
mod instances;
mod limits;
mod load;
mod meter;
mod pool;
mod quota;
mod residence;
mod state;
mod stdio;
mod ticket;
mod watchdog;
mod worker;

pub use capabilities::{Capabilities, Names, OutboundPolicy, Variables};
pub use compiler::{Compiler, compile_one};
pub use component::{Component, HttpVersion, LoadError, Pace, Progress, Serves};
pub use cores::enter_core;
pub use engine::{Engine, EngineConfig, EngineError};
pub use instances::{Drained, Instances, Stats};
pub use limits::Limits;
pub use quota::{Quota, QuotaLimits};
