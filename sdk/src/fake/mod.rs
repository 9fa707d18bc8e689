//! A host in memory, for unit tests: the same meaning as the real one, a clock and ids that the
//! test decides, and failures on demand.
//!
//! ```
//! use pingtalk_sdk::{fake, prelude::*};
//!
//! # fn routes() -> Router {
//! #     Router::new().get("/hello", |_| async { Ok(Response::message("Hello")) })
//! # }
//! let host = fake::Host::new();
//! host.unique("authDB", "auths", &["emailId"]);
//! let answer = host.request(&routes(), fake::get("/hello"));
//! assert_eq!(answer.status, 200);
//! assert_eq!(answer.message(), "Hello");
//! ```

mod blobs;
mod capabilities;
mod change;
mod compare;
mod documents;
mod host;
mod matching;
mod requests;
mod store;

pub use {
    documents::Published,
    host::{Failure, Host},
    requests::{Answer, Request, delete, get, patch, post, put, request},
    store::{Emission, SocketCall},
};

/// Runs a future to its end. Fakes never wait, so this never blocks.
pub fn block_on<F: Future>(future: F) -> F::Output {
    futures_util::FutureExt::now_or_never(future).unwrap_or_else(|| {
        unreachable!("a fake's future waited: the code under test waits for something else")
    })
}
