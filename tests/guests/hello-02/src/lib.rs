//! A WASI 0.2 component: shows that the host runs those as well.

#[allow(clippy::all, missing_docs, unreachable_pub)]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "proxy", generate_all });
}

use bindings::{
    exports::wasi::http::incoming_handler::Guest,
    wasi::http::types::{
        Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    },
};

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        if path == "/loop" {
            loop {
                std::hint::spin_loop();
            }
        }
        if path == "/nothing" {
            return;
        }
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a new response has a body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a new body has a stream");
        let text = format!("Hello from 0.2, {}{path}\n", request.authority().unwrap_or_default());
        stream.blocking_write_and_flush(text.as_bytes()).expect("the host reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the body is complete");
    }
}

bindings::export!(Hello with_types_in bindings);
