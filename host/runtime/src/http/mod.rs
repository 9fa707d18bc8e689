//! Everything `wasi:http`: how a request becomes a guest's resource and its answer a response.
//! Nothing outside this module depends on how it is done.

mod address;
mod body;
mod client;
mod connect;
mod early;
mod grant;
mod hooks;
mod import;
mod request;
mod v02;
mod v03;

use http::Response;
use pingtalk_capabilities::calls::{Body, CallError};
use tokio::sync::oneshot;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _, p2, p3};

pub(crate) use client::Outbound;
pub(crate) use hooks::Hooks;
pub(crate) use request::Request;
pub(crate) use v02::serve as serve_v02;
pub(crate) use v03::serve as serve_v03;

use crate::state::State;

/// The answer's way back.
pub(crate) type Reply = oneshot::Sender<Result<Response<Body>, CallError>>;

/// The generated types of both exports.
pub(crate) mod exports {
    pub(crate) use wasmtime_wasi_http::{
        p2::bindings::exports::wasi::http::incoming_handler as v02,
        p3::bindings::exports::wasi::http::handler as v03,
    };
}

/// Offers both versions of `wasi:http` to the linker.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::add_only_http_to_linker_async(linker)?;
    p3::bindings::http::types::add_to_linker::<State, WasiHttp>(linker, State::http)?;
    p3::bindings::http::client::add_to_linker::<State, import::Client>(linker, State::http)?;
    early::link(linker)
}
