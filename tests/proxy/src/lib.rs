//! A TCP proxy for tests: everything a network does to a server, on command and at once.
//!
//! A test puts a [`FaultProxy`] between a backend and its server, then delays, holds, cuts, resets
//! or refuses, and mends. Faults apply to the connections that are open as well as to new ones, and
//! take effect before the call returns or can be awaited, so that no test has to guess a pause.
//!
//! The ambiguous failure, a request carried out whose reply is lost, is a [`Trap`]: it waits for a
//! request that holds certain bytes and breaks that one connection before the reply.
//!
//! Nothing here understands a protocol. What can fail is binding the listener; a target that is away
//! shows as a connection that is closed at once, as behind a load balancer.
//!
//! ```no_run
//! # async fn test() -> std::io::Result<()> {
//! use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};
//!
//! let proxy = FaultProxy::start("127.0.0.1:6379").await?;
//! let url = format!("redis://{}/", proxy.address());
//! proxy.set(Fault::Refuse);
//! proxy.reset(); // The server is away: open connections die, new ones are refused.
//! proxy.mend();
//! let trap = proxy.trap("commit-7", Cut::BeforeReply);
//! // … commit "commit-7" through `url` …
//! trap.sprung().await;
//! # Ok(()) }
//! ```

mod connection;
mod fault;
mod proxy;
mod trap;

pub use fault::Fault;
pub use proxy::FaultProxy;
pub use trap::{Cut, Trap};
