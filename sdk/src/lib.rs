//! The guest library for PingTalk services: everything a service needs besides its own logic.
//!
//! A service is a table of routes and one file per behaviour:
//!
//! ```
//! # fn main() {}
//! use pingtalk_sdk::prelude::*;
//!
//! pingtalk_sdk::service! { http: routes }
//!
//! fn routes() -> Router {
//!     Router::new().get("/hello/:name", hello)
//! }
//!
//! async fn hello(cx: Context) -> Result<Response> {
//!     Ok(Response::message(format!("Hello {}", cx.param("name")?)))
//! }
//! ```
//!
//! All that a service asks of its host goes through [`Host`]. On wasm the host's WIT imports
//! implement it (the `wasm` module); in native unit tests [`fake::Host`] does, with the same
//! meaning and in memory. So the same code runs in both places.
//!
//! Failures: every fallible call returns an error that turns into the sdk's one [`Error`] with
//! `?`, and that error knows the status and the words a client may see.

pub mod blobs;
mod body;
pub mod cache;
mod context;
mod cookies;
pub mod documents;
mod error;
pub mod events;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
mod fields;
mod host;
pub mod internal;
pub mod log;
pub mod multipart;
pub mod outbound;
mod percent;
mod platform;
mod query_string;
mod request;
mod response;
mod router;
mod service;
pub mod session;
pub mod sockets;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use body::{Body, BodyError};
pub use context::{Context, MAX_JSON_BYTES};
pub use cookies::Cookie;
pub use error::{Error, Result};
pub use fields::Fields;
pub use host::{Host, VariableError};
pub use platform::Platform;
pub use query_string::{Parameter, QueryString};
pub use request::Head;
pub use response::{Response, ResponseBody};
pub use router::Router;

pub use {bytes, futures_util, http, serde, serde_json};

/// What nearly every file of a service uses.
pub mod prelude {
    pub use crate::{
        Context, Error, Fields, Platform, Response, Result, Router,
        documents::{
            Changes, Collection, Date, Filter, Id, Query, Transaction, all, any, eq, gt, gte, lt,
            lte, ne, one_of, present,
        },
        events::{Disposition, Event},
        session::Session,
        sockets::{Ack, room, user},
    };
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}
