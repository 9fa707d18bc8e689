//! The request as the component gets it: other headers, another path, and a body that ends where the
//! bound is.

use pingtalk_sdk::{
    http::{HeaderMap, header},
    wasm::{
        bindings::capabilities::{wasi::http::types as wit, wit_future, wit_stream},
        conv,
    },
};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

/// How much is read at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// How much of a refused body is read, in bytes; after that the connection is closed under it.
const DRAINED: usize = 32 * 1024 * 1024;

type Trailers = FutureReader<Result<Option<wit::Trailers>, wit::ErrorCode>>;

/// Makes the request that goes on.
pub(crate) fn request(
    request: wit::Request,
    headers: &HeaderMap,
    target: &str,
    limit: u64,
) -> Result<wit::Request, wit::ErrorCode> {
    let internal = |what: &str| wit::ErrorCode::InternalError(Some(what.to_owned()));
    let method = request.get_method();
    let scheme = request.get_scheme();
    let authority = request.get_authority();
    let options = request.get_options();
    let fields = conv::fields(headers).map_err(|_| internal("headers"))?;
    let (_, received) = wit_future::new::<Result<(), wit::ErrorCode>>(|| Ok(()));
    let (content, trailers) = wit::Request::consume_body(request, received);
    let (content, trailers) = if headers.contains_key(header::CONTENT_LENGTH) {
        // Its length was checked, and Spin passes on no more.
        (content, trailers)
    } else {
        bounded(content, trailers, limit)
    };
    let (next, _sent) = wit::Request::new(fields, Some(content), trailers, options);
    next.set_method(&method).map_err(|()| internal("method"))?;
    next.set_scheme(scheme.as_ref()).map_err(|()| internal("scheme"))?;
    next.set_authority(authority.as_deref()).map_err(|()| internal("authority"))?;
    next.set_path_with_query(Some(target)).map_err(|()| internal("path"))?;
    Ok(next)
}

/// Reads a body that nobody wants, up to a bound.
pub(crate) async fn drain(request: wit::Request) {
    let (_, received) = wit_future::new::<Result<(), wit::ErrorCode>>(|| Ok(()));
    let (mut content, _trailers) = wit::Request::consume_body(request, received);
    let mut read = 0;
    while read < DRAINED {
        let (status, piece) = content.read(Vec::with_capacity(PIECE)).await;
        if piece.is_empty() && status != StreamResult::Complete(0) {
            return;
        }
        read += piece.len();
    }
}

/// A body of unknown length: passed on piece by piece, and cut off beyond the bound.
fn bounded(
    mut content: StreamReader<u8>,
    trailers: Trailers,
    limit: u64,
) -> (StreamReader<u8>, Trailers) {
    let (mut writer, reader) = wit_stream::new::<u8>();
    let (end, ended) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        let mut left = limit;
        loop {
            let (status, piece) = content.read(Vec::with_capacity(PIECE)).await;
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if length > left {
                drop(writer);
                // If nobody reads on, there is nobody to tell.
                let too_large = wit::ErrorCode::HttpRequestBodySize(Some(limit));
                let _ = end.write(Err(too_large)).await;
                return;
            }
            left -= length;
            if length > 0 && !writer.write_all(piece).await.is_empty() {
                return;
            }
            if length == 0 && status != StreamResult::Complete(0) {
                drop(writer);
                let _ = end.write(trailers.await).await;
                return;
            }
        }
    });
    (reader, ended)
}
