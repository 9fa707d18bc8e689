//! `wasi:http/incoming-handler@0.2`. Its host functions block their instance, so that these
//! components take one call at a time.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Empty};
use pingtalk_capabilities::calls::{Body, CallError};
use wasmtime::component::Accessor;
use wasmtime_wasi_http::{WasiHttpView, p2::bindings::http::types::Scheme};

use super::{Reply, Request, body::ResponseBody, exports::v02::Guest};
use crate::{control::Place, state::State};

/// Serves one request. An error ends the instance.
pub(crate) async fn serve(
    accessor: &Accessor<State>,
    guest: &Guest,
    request: Request,
    place: Place,
    reply: Reply,
) -> wasmtime::Result<()> {
    let ticket = Arc::clone(&place.ticket);
    let pause = accessor.with(|mut store| store.data_mut().pool.limits.wall_time).as_millis();
    let pause = u64::try_from(pause).unwrap_or(u64::MAX);
    let scheme =
        if request.scheme == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http };
    // Whoever comes first: the guest when it sets its response, or the end of the call.
    let reply = Arc::new(Mutex::new(Some((reply, place))));
    let responder = Arc::clone(&reply);
    let function = guest.func_handle();
    let call = accessor.with(|mut store| {
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(scheme, into_http(request, &ticket)?)?;
        let out = http.new_response_outparam_from_callback(move |response| {
            let Some((reply, place)) = take(&responder) else { return };
            let answer = match response {
                Ok(response) => {
                    Ok(response.map(|body| Body::new(ResponseBody::new(body, place, pause))))
                }
                Err(code) => {
                    Err(CallError::Failed(format!("it answered with an error: {code:?}").into()))
                }
            };
            // A caller that has gone needs no answer.
            let _ = reply.send(answer);
        })?;
        let call = function.start_call_concurrent(&mut store, (request, out))?;
        store.data_mut().begin(call.task(), ticket);
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    function.finish_call_concurrent(accessor, call).await?;
    accessor.with(|mut store| store.data_mut().finish(task));
    if let Some((reply, _place)) = take(&reply) {
        let _ = reply.send(Err(CallError::Failed("it returned without a response".into())));
    }
    Ok(())
}

fn take(reply: &Mutex<Option<(Reply, Place)>>) -> Option<(Reply, Place)> {
    reply.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn into_http(
    request: Request,
    ticket: &Arc<crate::ticket::Ticket>,
) -> wasmtime::Result<http::Request<wasmtime_wasi_http::WasiBody>> {
    let body = match request.body(ticket) {
        Some(body) => body.boxed_unsync(),
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
    };
    let mut uri = http::Uri::builder().scheme(request.scheme);
    let authority =
        request.authority.unwrap_or_else(|| http::uri::Authority::from_static("localhost"));
    uri = uri.authority(authority);
    uri = uri
        .path_and_query(request.path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")));
    let mut converted = http::Request::new(body);
    *converted.method_mut() = request.method;
    *converted.uri_mut() = uri.build()?;
    *converted.headers_mut() = request.headers.into();
    Ok(converted)
}
