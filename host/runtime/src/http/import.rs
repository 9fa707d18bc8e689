//! `wasi:http/client`, as an import like all others: it ends at its call's deadline, and a call that
//! used it is not repeated.

use wasmtime::component::{Accessor, HasData, Resource};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::{
    WasiHttp, WasiHttpCtxView, WasiHttpView as _,
    p3::{
        Request, Response,
        bindings::http::{client, types::ErrorCode},
    },
};

use crate::state::{Host, State, import};

/// Marks this implementation for the bindings.
pub(super) struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl client::HostWithStore<State> for Client {
    async fn send(
        accessor: &Accessor<State, Self>,
        request: Resource<Request>,
    ) -> Result<Resource<Response>, TrappableError<ErrorCode>> {
        let host = accessor.with_getter::<Host>(|state| state);
        let import = import(&host, "http.send").map_err(TrappableError::trap)?;
        host.with(|mut access| access.get().about_to_send(&import));
        let http = accessor.with_getter::<WasiHttp>(State::http);
        // It asks the hooks to send before it first waits, so that they find this deadline.
        <WasiHttp as client::HostWithStore<State>>::send(&http, request).await
    }
}
