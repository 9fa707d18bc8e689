//! Blobs: streams to and from the host.

use std::pin::pin;

use futures_util::{StreamExt, future::Either, future::select, stream};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::{
    bindings::blobs::{pingtalk::blobs::store as wit, wit_stream},
    conv,
};
use crate::{
    Body, BodyError,
    blobs::{BlobError, BlobInfo, Bounds},
};

/// How much is read at a time, in bytes.
pub(super) const PIECE: usize = 64 * 1024;

pub(super) async fn put(
    container: &str,
    name: &str,
    content: Body,
    bounds: Bounds,
) -> Result<BlobInfo, BlobError> {
    let (writer, reader) = wit_stream::new::<u8>();
    let put =
        Box::pin(wit::put(container.to_owned(), name.to_owned(), reader, conv::bounds(bounds)));
    let fed = pin!(feed(writer, content));
    let result = match select(put, fed).await {
        Either::Left((result, _feeding)) => result,
        Either::Right((Ok(()), put)) => put.await,
        Either::Right((Err((error, writer)), put)) => {
            // The end of the stream would mean that the content is complete: take the call back
            // before the stream ends.
            drop(put);
            drop(writer);
            return Err(match error {
                BodyError::TooLarge { .. } => BlobError::TooLarge,
                BodyError::Aborted(reason) => BlobError::Unavailable(reason),
            });
        }
    };
    result.map(conv::blob_info).map_err(conv::blob_error)
}

/// Writes all of a body into a stream and ends it; on an error the stream comes back unended.
async fn feed(
    mut writer: StreamWriter<u8>,
    mut content: Body,
) -> Result<(), (BodyError, StreamWriter<u8>)> {
    while let Some(piece) = content.next().await {
        match piece {
            Ok(piece) => {
                // What is left over was not wanted: the host's answer says why.
                if !writer.write_all(piece.into()).await.is_empty() {
                    break;
                }
            }
            Err(error) => return Err((error, writer)),
        }
    }
    Ok(())
}

pub(super) async fn get(container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
    let (info, content, end) =
        wit::get(container.to_owned(), name.to_owned()).await.map_err(conv::blob_error)?;
    let failed = |error| BodyError::Aborted(conv::blob_error(error).to_string());
    Ok((conv::blob_info(info), body(content, end, failed)))
}

/// A host's stream as a body. How it ended is asked for once it has.
pub(super) fn body<T: 'static, E: 'static>(
    content: StreamReader<u8>,
    end: FutureReader<Result<T, E>>,
    failed: impl Fn(E) -> BodyError + 'static,
) -> Body {
    let pieces = stream::unfold(Some((content, end, failed)), |state| async {
        let (mut content, end, failed) = state?;
        loop {
            let (status, piece) = content.read(Vec::with_capacity(PIECE)).await;
            if !piece.is_empty() {
                return Some((Ok(piece.into()), Some((content, end, failed))));
            }
            if status != StreamResult::Complete(0) {
                drop(content);
                return end.await.err().map(|error| (Err(failed(error)), None));
            }
        }
    });
    Body::from_stream(pieces)
}
