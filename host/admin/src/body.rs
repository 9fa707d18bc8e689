//! Request bodies, bounded.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use pingtalk_capabilities::calls::Body;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Largest JSON body: a manifest and everything around it.
const MAX_JSON_BYTES: usize = 1024 * 1024;

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is over the {limit} bytes that are read here"),
        )),
        Err(error) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "cut_short", format!("the body: {error}")))
        }
    }
}

/// Reads a JSON body. An empty one is an empty object.
pub(crate) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = read(body, MAX_JSON_BYTES).await?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| {
        // serde names the unknown or missing field in the sentence, between back-ticks.
        let message = error.to_string();
        let field = message.split('`').nth(1).map(str::to_owned);
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message.clone());
        Problem { field, ..problem }
    })
}
