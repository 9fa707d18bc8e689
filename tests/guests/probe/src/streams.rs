//! Bodies in both directions.

use wit_bindgen::StreamResult;

use crate::{
    bindings::wasi::http::types::{Fields, Request, Response},
    bindings::{wit_future, wit_stream},
    stream,
};

const CHUNK_BYTES: usize = 64 * 1024;

/// What the guest sees of a request's head.
pub fn describe(request: &Request) -> String {
    let mut headers: Vec<String> =
        request.get_headers().copy_all().into_iter().map(|(name, _)| name).collect();
    headers.sort_unstable();
    format!(
        "{:?} {:?} {:?} {:?} {}",
        request.get_method(),
        request.get_scheme(),
        request.get_authority(),
        request.get_path_with_query(),
        headers.join(",")
    )
}

/// A header's value.
pub fn header(request: &Request, name: &str) -> String {
    let values = request.get_headers().get(name);
    values.first().map_or_else(String::new, |value| String::from_utf8_lossy(value).into_owned())
}

fn body(request: Request) -> wit_bindgen::StreamReader<u8> {
    let (done, result) = wit_future::new(|| Ok(()));
    drop(done);
    Request::consume_body(request, result).0
}

/// Sends back what it is sent, as it comes.
pub fn echo(request: Request) -> Response {
    let mut input = body(request);
    stream(Fields::new(), async move |output| {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES);
        loop {
            let (result, mut bytes) = input.read(buffer).await;
            if bytes.is_empty() && !matches!(result, StreamResult::Complete(_)) {
                return;
            }
            if !output.write_all(std::mem::take(&mut bytes)).await.is_empty() {
                return;
            }
            buffer = Vec::with_capacity(CHUNK_BYTES);
        }
    })
}

/// Makes the request's body the response's, without touching it.
pub fn pass_on(request: Request) -> Response {
    let (done, result) = wit_future::new(|| Ok(()));
    drop(done);
    let (contents, trailers) = Request::consume_body(request, result);
    Response::new(Fields::new(), Some(contents), trailers).0
}

/// Reads a body to its end and answers its length.
pub async fn count(request: Request) -> String {
    let mut input = body(request);
    let mut total = 0;
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let (result, mut bytes) = input.read(buffer).await;
        total += bytes.len();
        if bytes.is_empty() && !matches!(result, StreamResult::Complete(_)) {
            return total.to_string();
        }
        bytes.clear();
        buffer = bytes;
    }
}

/// Reads one byte and leaves the rest.
pub async fn peek(request: Request) -> String {
    let mut input = body(request);
    let (_, bytes) = input.read(Vec::with_capacity(1)).await;
    format!("{bytes:?}")
}

/// So many bytes.
pub fn big(bytes: u64) -> Response {
    stream(Fields::new(), async move |output| {
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while left > 0 {
            let chunk = left.min(CHUNK_BYTES);
            if !output.write_all(vec![b'x'; chunk]).await.is_empty() {
                return;
            }
            left -= chunk;
        }
    })
}

/// Traps after so many bytes.
pub fn cut(bytes: u64) -> Response {
    stream(Fields::new(), async move |output| {
        output.write_all(vec![b'x'; usize::try_from(bytes).unwrap_or_default()]).await;
        crate::hostile::trap()
    })
}

/// Promises ten bytes and sends five.
pub fn short() -> Response {
    let headers = Fields::new();
    headers.append("content-length", b"10").expect("a length is a valid header");
    stream(headers, async move |output| {
        output.write_all(b"12345".to_vec()).await;
    })
}

/// Begins a body and never goes on.
pub fn stall() -> Response {
    let (mut output, contents) = wit_stream::new();
    let (_trailers, no_trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        output.write_all(b"a".to_vec()).await;
        core::future::pending::<()>().await;
        drop(output);
    });
    Response::new(Fields::new(), Some(contents), no_trailers).0
}
