//! Stored blobs for the world: whoever has a URL may read, from the containers that are public.

use pingtalk_sdk::{
    Context, Error, Response, Result, Router,
    bytes::Bytes,
    http::{HeaderValue, header},
};
use pingtalk_spin_platform::Served;

use crate::{check_name, pieces};

/// Pictures that browsers show without running anything. Not SVG, which holds scripts.
const SHOWN: [&str; 5] = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"];

pub(crate) fn routes() -> Router {
    // A name may have slashes; those of PingTalk's pictures have none.
    Router::new()
        .get("/:container/:a", blob)
        .get("/:container/:a/:b", blob)
        .get("/:container/:a/:b/:c", blob)
}

async fn blob(cx: Context) -> Result<Response> {
    let container = cx.param("container")?.to_owned();
    let segments: Vec<&str> = ["a", "b", "c"].iter().filter_map(|it| cx.param(it).ok()).collect();
    let name = segments.join("/");
    let missing = || Error::not_found("Not found");
    let public = Served::with(|served| {
        served.manifest.application.host.public_blobs.iter().any(|it| *it == container)
    });
    if !public.map_err(Error::internal)? || check_name(&name).is_err() {
        return Err(missing());
    }
    let failed = |error| Error::internal(format!("the blobs' tables: {error:?}"));
    let (size, content_type) =
        pieces::find(&container, &name).map_err(failed)?.ok_or_else(missing)?;
    // A name's content never changes, so its name and size say as much as a digest.
    let etag = format!("\"{size:x}-{}\"", pingtalk_sdk::session::token_id(&name));
    if cx.header("if-none-match").is_some_and(|known| known.contains(&etag)) {
        let mut response = Response::no_content();
        response.status = pingtalk_sdk::http::StatusCode::NOT_MODIFIED;
        return with_headers(response, &etag, None);
    }
    let content = pingtalk_sdk::futures_util::stream::unfold(Some(0), move |piece| {
        let read = piece.map(|piece| (piece, pieces::read(&container, &name, piece)));
        async move {
            match read? {
                (piece, Ok(Some(content))) => Some((Ok(Bytes::from(content)), Some(piece + 1))),
                (_, Ok(None)) => None,
                (_, Err(error)) => {
                    let cut = pingtalk_sdk::BodyError::Aborted(format!("{error:?}"));
                    Some((Err(cut), None))
                }
            }
        }
    });
    let response =
        Response::stream(&content_type, content).header(header::CONTENT_LENGTH, &size.to_string());
    with_headers(response, &etag, Some(SHOWN.contains(&content_type.as_str())))
}

fn with_headers(mut response: Response, etag: &str, shown: Option<bool>) -> Result<Response> {
    let etag = HeaderValue::from_str(etag).map_err(|error| Error::internal(error.to_string()))?;
    response.headers.insert(header::ETAG, etag);
    let year = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers.insert(header::CACHE_CONTROL, year);
    if let Some(shown) = shown {
        // Whatever it is, it runs nothing under this host's name.
        let nothing = HeaderValue::from_static("default-src 'none'; sandbox");
        response.headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
        let how = HeaderValue::from_static(if shown { "inline" } else { "attachment" });
        response.headers.insert(header::CONTENT_DISPOSITION, how);
    }
    Ok(response)
}
