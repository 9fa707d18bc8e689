//! Does what a hostile or broken component would do, one thing a path, and calls each capability.
//! The runtime's tests show that the host survives all of it.
// It traps with an instruction that only WebAssembly has.
#![cfg(target_arch = "wasm32")]

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
        world: "pingtalk:worlds/service",
        generate_all,
    });
}

mod capabilities;
mod events;
mod hostile;
mod sockets;
mod streams;

use bindings::{
    exports::wasi::http::handler::Guest,
    wasi::http::types::{ErrorCode, Fields, Request, Response},
    wit_future, wit_stream,
};

struct Probe;

impl Guest for Probe {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let (path, argument) = path.split_once('?').unwrap_or((&path, ""));
        let number = || argument.parse::<u64>().unwrap_or_default();
        match path {
            "/hello" => Ok(text("hello")),
            "/served" => Ok(text(&hostile::served().to_string())),
            "/header" => Ok(text(&streams::header(&request, argument))),
            "/request" => Ok(text(&streams::describe(&request))),
            "/loop" => hostile::compute_for_ever(),
            "/loop-with-import" => hostile::compute_beside_an_import().await,
            "/yield-loop" => hostile::yield_for_ever().await,
            "/spin" => Ok(text(&hostile::compute(number()).to_string())),
            "/allocate" => hostile::allocate_for_ever(),
            "/grow" => Ok(text(&hostile::grow(argument.parse().unwrap_or_default()).to_string())),
            "/reach-out" => Ok(text(&hostile::reach_out())),
            "/trap" => hostile::trap(),
            "/panic" => panic!("as asked"),
            "/recurse" => Ok(text(&hostile::recurse(number()).to_string())),
            "/never" => core::future::pending().await,
            "/sleep" => Ok(text(&hostile::sleep(number()).await)),
            "/after" => Ok(hostile::work_after_the_answer(number())),
            "/flood" => hostile::flood_with_handles(),
            "/random" => Ok(text(&hostile::random(number()).to_string())),
            "/headers" => hostile::endless_headers(),
            "/log" => Ok(text(&hostile::log(number()))),
            "/error" => Err(ErrorCode::InternalError(Some("as asked".to_owned()))),
            "/echo" => Ok(streams::echo(request)),
            "/pass-on" => Ok(streams::pass_on(request)),
            "/count" => Ok(text(&streams::count(request).await)),
            "/peek" => Ok(text(&streams::peek(request).await)),
            "/big" => Ok(streams::big(number())),
            "/cut" => Ok(streams::cut(number())),
            "/short" => Ok(streams::short()),
            "/stall" => Ok(streams::stall()),
            _ => match capabilities::call(path, argument).await {
                Some(answer) => Ok(text(&answer)),
                None => Ok(text("no such path")),
            },
        }
    }
}

/// A response with a text and its length.
fn text(text: &str) -> Response {
    let headers = Fields::new();
    headers
        .append("content-length", text.len().to_string().as_bytes())
        .expect("a length is a valid header");
    let bytes = text.as_bytes().to_vec();
    stream(headers, async move |body| {
        body.write_all(bytes).await;
    })
}

/// A response whose body is written after it was returned.
fn stream(
    headers: Fields,
    write: impl AsyncFnOnce(&mut wit_bindgen::StreamWriter<u8>) + 'static,
) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        write(&mut body).await;
        drop(body);
        let _ = trailers.write(Ok(None)).await;
    });
    Response::new(headers, Some(contents), no_trailers).0
}

bindings::export!(Probe with_types_in bindings);
