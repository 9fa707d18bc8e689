//! Socket.IO under Spin, which has no WebSocket server: clients are served over Engine.IO's long
//! polling.
//!
//! One crate, used in two places. As a component of its own, mounted where clients connect, it speaks
//! Engine.IO ([`endpoint`]) and calls the component that serves sockets. Composed into components that
//! send to sockets, it meets `pingtalk:sockets/server` ([`server`]). Both work on the same tables
//! ([`tables`]), so any instance can answer any request.
//!
//! The direction of an event: [`endpoint`] (HTTP to messages), [`client`] (messages to packets),
//! [`service`] (calls to the component), [`server`] (calls from it), [`rooms`] (who gets an event),
//! [`order`] (and when), [`outbox`] (packets that wait for a poll), [`watch`] (when a poll looks).
#![cfg(target_family = "wasm")]

mod bindings;
mod client;
mod endpoint;
mod event;
mod order;
mod outbox;
mod payload;
mod rooms;
mod server;
mod service;
mod session;
mod settings;
mod sweep;
mod tables;
mod waiting;
mod watch;

pub(crate) use server::Server;

pingtalk_sdk::service! { http: endpoint::routes }
