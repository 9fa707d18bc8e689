//! `wasi:http/handler@0.3`.

use http_body_util::Empty;
use pingtalk_capabilities::calls::{Body, CallError};
use wasmtime::component::Accessor;
use wasmtime_wasi_http::{WasiHttpView, p3};

use super::{Reply, Request, body::ResponseBody, exports::v03::Guest};
use crate::{control::Place, state::State};

/// Serves one request. An error ends the instance.
pub(crate) async fn serve(
    accessor: &Accessor<State>,
    guest: &Guest,
    request: Request,
    place: Place,
    reply: Reply,
) -> wasmtime::Result<()> {
    let body = request.body(&place.ticket);
    let Request { method, scheme, authority, path, headers, .. } = request;
    let (request, sent) = match body {
        Some(body) => {
            let (request, sent) =
                p3::Request::new(method, Some(scheme), authority, path, headers, None, body);
            (request, futures_util::future::Either::Left(sent))
        }
        None => {
            let (request, sent) = p3::Request::new(
                method,
                Some(scheme),
                authority,
                path,
                headers,
                None,
                Empty::new(),
            );
            (request, futures_util::future::Either::Right(sent))
        }
    };
    let function = guest.func_handle();
    let call = accessor.with(|mut store| {
        let request = store.data_mut().http().table.push(request)?;
        let call = function.start_call_concurrent(&mut store, (request,))?;
        store.data_mut().begin(call.task(), place.ticket.clone());
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let (answer,) = function.finish_call_concurrent(accessor, call).await?;
    let response = accessor.with(|mut store| {
        store.data_mut().finish(task);
        match answer {
            Ok(response) => {
                let response = store.data_mut().http().table.delete(response)?;
                wasmtime::error::Ok(Ok(response.into_http(&mut store, sent)?))
            }
            Err(code) => Ok(Err(code)),
        }
    })?;
    let pause = pause_millis(accessor);
    let answer = match response {
        Ok(response) => Ok(response.map(|body| Body::new(ResponseBody::new(body, place, pause)))),
        Err(code) => Err(CallError::Failed(format!("it answered with an error: {code:?}").into())),
    };
    // A caller that has gone needs no answer.
    let _ = reply.send(answer);
    Ok(())
}

/// How long a response's body may pause.
fn pause_millis(accessor: &Accessor<State>) -> u64 {
    let wall_time = accessor.with(|mut store| store.data_mut().pool.limits.wall_time);
    u64::try_from(wall_time.as_millis()).unwrap_or(u64::MAX)
}
