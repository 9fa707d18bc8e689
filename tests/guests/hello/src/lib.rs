//! The smallest component that answers HTTP: `Hello, world!` with a content length. Tests and
//! benchmarks use it, so it has nothing but the bindings.

#[allow(clippy::all, missing_docs, unreachable_pub)]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../../wit/wasi/clocks.wit",
            "../../../wit/wasi/random.wit",
            "../../../wit/wasi/filesystem.wit",
            "../../../wit/wasi/sockets.wit",
            "../../../wit/wasi/cli.wit",
            "../../../wit/wasi/http.wit",
            "../../../wit/wasi/config.wit",
            "../../../wit/documents",
            "../../../wit/cache",
            "../../../wit/blobs",
            "../../../wit/events",
            "../../../wit/sockets",
            "../../../wit/worlds",
        ],
        world: "pingtalk:worlds/http",
        generate_all,
    });
}

use bindings::{
    exports::wasi::http::handler::Guest,
    wasi::http::types::{ErrorCode, Fields, Request, Response},
    wit_future, wit_stream,
};

const BODY: &[u8] = b"Hello, world!\n";

struct Hello;

impl Guest for Hello {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let headers = Fields::from_list(&[
            ("content-type".to_owned(), b"text/plain".to_vec()),
            ("content-length".to_owned(), BODY.len().to_string().into_bytes()),
        ])
        .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        let (mut body, contents) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        wit_bindgen::spawn_local(async move {
            body.write_all(BODY.to_vec()).await;
            drop(body);
            // The host may have gone; then nobody wants trailers either.
            let _ = trailers.write(Ok(None)).await;
        });
        Ok(Response::new(headers, Some(contents), no_trailers).0)
    }
}

bindings::export!(Hello with_types_in bindings);
