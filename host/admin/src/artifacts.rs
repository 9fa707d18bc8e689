//! Components' bytes, uploaded before the deployment that uses them.

use http::StatusCode;
use pingtalk_capabilities::calls::Body;
use pingtalk_tenancy::control::Digest;

use crate::{
    answer::{self, Answer},
    body,
    call::{Admin, Call},
    problem::Problem,
    routes::{Action, MAX_BODY_BYTES},
};

pub(crate) async fn answer(admin: &Admin, call: &Call, body: Body) -> Answer {
    let digest: Digest =
        call.first().parse().map_err(|error: pingtalk_tenancy::control::InvalidDigest| {
            Problem::invalid("digest", error.to_string())
        })?;
    let store = &admin.parts.store;
    if call.action == Action::HasArtifact {
        return match store.has_artifact(&digest).await? {
            true => answer::no_content(),
            false => Err(Problem::not_found(format!("there is no component {digest}"))),
        };
    }
    let permit = admin.uploads.acquire().await;
    let limit = usize::try_from(MAX_BODY_BYTES).unwrap_or(usize::MAX);
    let bytes = body::read(body, limit).await?;
    let hashed = bytes.clone();
    let found = tokio::task::spawn_blocking(move || Digest::of(&hashed))
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    if found != digest {
        let message = format!("the body's digest is {found}: it was damaged on its way");
        return Err(Problem::invalid("digest", message));
    }
    store.put_artifact(&digest, &bytes).await?;
    drop(permit);
    answer::json(
        StatusCode::CREATED,
        &serde_json::json!({ "digest": digest, "bytes": bytes.len() }),
    )
}
