//! Events through RabbitMQ, in step with the original's exchange, keys, queues and payloads.
//!
//! Events go to a topic exchange with confirms; each queue is consumed with a bounded prefetch and
//! acknowledged after the component's answer. Pauses between attempts are spent in queues of their own,
//! and dead letters lie in one more, so that everything survives every host. The decision record
//! `docs/decisions/0011-rabbitmq-topology.md` has the reasons.

mod backend;
mod checkup;
mod config;
mod consumer;
mod core;
mod dead;
mod delivery;
mod error;
mod lane;
mod link;
mod memory;
mod message;
mod names;
mod publisher;
mod topology;

pub use backend::RabbitEvents;
pub use checkup::examine;
pub use config::Config;
