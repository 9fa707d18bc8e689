//! Fetching a picture from the address a client gave.
//!
//! The host lets requests through to public addresses only, and follows no redirects: each step
//! is checked here and there anew. Time and size are bounded over all steps together.

use std::time::Duration;

use pingtalk_sdk::{
    Error, Platform, Result,
    bytes::Bytes,
    http::Uri,
    outbound::{Limits, OutboundError},
};

use super::location;

/// Largest picture, in bytes.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// For all steps together.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 3;

/// A picture's bytes; whether they are one is not looked at.
///
/// # Errors
/// 400 when it can't be fetched, 413 when it is too large.
pub(super) async fn fetch(platform: &Platform, start: Uri) -> Result<Bytes> {
    let end = platform.now().after(TIMEOUT);
    let mut uri = start;
    for _ in 0..=MAX_REDIRECTS {
        let left = end.millis().saturating_sub(platform.now().millis());
        let timeout = u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis);
        let timeout = timeout.ok_or_else(|| refused(&OutboundError::TimedOut))?;
        let limits = Limits { max_bytes: MAX_BYTES, timeout };
        let response = platform.http().get(&uri.to_string(), limits).await;
        let response = response.map_err(|error| refused(&error))?;
        if let Some(location) = response.location() {
            uri = location::redirected(&uri, location)
                .ok_or_else(|| failed("the server redirects to an address that is not allowed"))?;
        } else if response.status.is_success() {
            return Ok(response.body);
        } else {
            return Err(failed(&format!("the server answered {}", response.status.as_u16())));
        }
    }
    Err(failed("the server redirects too often"))
}

/// A private address looks to a client like one that does not answer: it must not learn which
/// ones exist.
fn refused(error: &OutboundError) -> Error {
    match error {
        OutboundError::TooLarge { limit } => {
            Error::too_large(format!("profilePic is over the limit of {limit} bytes"))
        }
        OutboundError::TimedOut => failed("the server took too long"),
        OutboundError::InvalidUrl | OutboundError::Denied(_) | OutboundError::Failed(_) => {
            failed("the server could not be reached")
        }
    }
}

fn failed(reason: &str) -> Error {
    Error::bad_request(format!("Cloudinary upload from URL failed: {reason}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{ask, only, picture, with_ann};
    use image::ImageFormat;
    use pingtalk_sdk::{
        fake::{Answer, Host, put},
        http::{HeaderMap, HeaderValue, StatusCode, header},
        outbound::OutboundResponse,
        serde_json::json,
    };

    fn found(body: impl Into<Bytes>) -> Result<OutboundResponse, OutboundError> {
        Ok(OutboundResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
        })
    }

    fn moved(location: &str) -> Result<OutboundResponse, OutboundError> {
        let location = HeaderValue::from_str(location).unwrap();
        let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
        Ok(OutboundResponse { status: StatusCode::FOUND, headers, body: Bytes::new() })
    }

    fn send(host: &Host, token: &str) -> Answer {
        let body = json!({ "profilePic": "https://pics.example/a/me.JPG?w=900" });
        ask(host, put("/patchProfile").json(&body).token(token))
    }

    #[test]
    fn fetches_and_stores() {
        let (host, token) = with_ann();
        // The bytes decide, not the name.
        host.respond(found(picture(ImageFormat::Png)));
        let answer = send(&host, &token);
        assert_eq!(answer.status, 200, "{}", answer.message());
        assert!(only(&host).profile_pic.unwrap().starts_with("http://blobs.test/pictures/"));
        let requests = host.requests();
        assert_eq!(requests[0].url, "https://pics.example/a/me.JPG?w=900");
        assert_eq!(requests[0].limits, Limits { max_bytes: MAX_BYTES, timeout: TIMEOUT });
        // Nothing of the client goes along.
        assert!(requests[0].headers.is_empty());
    }

    #[test]
    fn follows_three_redirects() {
        let (host, token) = with_ann();
        for location in ["/b/", "you.png", "https://other.example/z"] {
            host.respond(moved(location));
        }
        host.respond(found(picture(ImageFormat::Jpeg)));
        assert_eq!(send(&host, &token).status, 200);
        let urls: Vec<String> = host.requests().into_iter().map(|request| request.url).collect();
        let expected = [
            "https://pics.example/a/me.JPG?w=900",
            "https://pics.example/b/",
            "https://pics.example/b/you.png",
            "https://other.example/z",
        ];
        assert_eq!(urls, expected);
    }

    #[test]
    fn gives_up_with_a_reason() {
        let unreachable = "the server could not be reached";
        let elsewhere = "the server redirects to an address that is not allowed";
        let not_there = OutboundResponse {
            status: StatusCode::NOT_FOUND,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        for (response, reason) in [
            (Err(OutboundError::Denied("169.254.169.254".to_owned())), unreachable),
            (Err(OutboundError::Failed("refused".to_owned())), unreachable),
            (Err(OutboundError::TimedOut), "the server took too long"),
            (Ok(not_there), "the server answered 404"),
            (moved("http://pics.example/plain.jpg"), elsewhere),
            (moved("file:///etc/passwd"), elsewhere),
            (moved("https://me:secret@pics.example/x.jpg"), elsewhere),
        ] {
            let (host, token) = with_ann();
            host.respond(response);
            let answer = send(&host, &token);
            assert_eq!(answer.status, 400);
            let message = format!("Cloudinary upload from URL failed: {reason}");
            assert_eq!(answer.json(), json!({ "message": message }));
            assert!(host.blob_names("pictures").is_empty());
        }

        let (host, token) = with_ann();
        host.respond(Err(OutboundError::TooLarge { limit: MAX_BYTES }));
        assert_eq!(send(&host, &token).status, 413);
        for _ in 0..=MAX_REDIRECTS {
            host.respond(moved("/again"));
        }
        assert!(send(&host, &token).message().ends_with("the server redirects too often"));
        assert_eq!(host.requests().len(), 1 + 1 + MAX_REDIRECTS);

        host.respond(found(&b"<html>"[..]));
        let answer = send(&host, &token);
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains("Only JPEG, JPG, and PNG are allowed"));
    }
}
