//! Uploads: held against their digest and bounded.

use bytes::Bytes;
use http::{Method, StatusCode};
use pingtalk_admin::{MAX_BODY_BYTES, Scope};
use pingtalk_tenancy::control::Digest;

use crate::support::setting;

#[tokio::test]
async fn an_artifact_is_there_once_its_digest_is_right() {
    let setting = setting().await;
    let bytes = Bytes::from(vec![7_u8; 3_000_000]);
    let path = format!("/v1/artifacts/{}", Digest::of(&bytes));
    let call =
        async |method: Method, body: Bytes| setting.call(Scope::Deploy, method, &path, body).await;
    assert_eq!(call(Method::HEAD, Bytes::new()).await.status, StatusCode::NOT_FOUND);
    let damaged = call(Method::PUT, bytes.slice(1..)).await;
    assert_eq!((damaged.status, damaged.field()), (StatusCode::UNPROCESSABLE_ENTITY, "digest"));
    assert_eq!(call(Method::HEAD, Bytes::new()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(Method::PUT, bytes.clone()).await.status, StatusCode::CREATED);
    assert_eq!(call(Method::PUT, bytes.clone()).await.status, StatusCode::CREATED, "again");
    assert_eq!(call(Method::HEAD, Bytes::new()).await.status, StatusCode::NO_CONTENT);
    let stored = setting.store.artifact(&Digest::of(&bytes)).await.unwrap();
    assert_eq!(stored, bytes);
}

#[tokio::test]
async fn what_is_too_large_or_no_digest_is_refused() {
    let setting = setting().await;
    let large = Bytes::from(vec![0_u8; usize::try_from(MAX_BODY_BYTES).unwrap() + 1]);
    let path = format!("/v1/artifacts/{}", "00".repeat(32));
    let answer = setting.call(Scope::Deploy, Method::PUT, &path, large).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    for wrong in ["abc", "..%2f..%2fetc", &"zz".repeat(32)] {
        let path = format!("/v1/artifacts/{wrong}");
        let answer = setting.call(Scope::Deploy, Method::PUT, &path, "x").await;
        assert_eq!((answer.status, answer.field()), (StatusCode::UNPROCESSABLE_ENTITY, "digest"));
    }
}
