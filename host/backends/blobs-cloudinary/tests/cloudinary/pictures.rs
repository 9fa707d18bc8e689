//! Which type of asset a blob becomes, and what happens when it changes.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_blobs_cloudinary::CloudinaryBlobs;
use pingtalk_capabilities::{
    blobs::{BlobError, Blobs, Bounds},
    calls::Body,
};
use pingtalk_contract::tenant;

use crate::server::CloudinaryServer;

pub(crate) const JPEG: &[u8] = b"\xff\xd8\xff\xe0 one picture \xff\xd9";
const OTHER_JPEG: &[u8] = b"\xff\xd8\xff\xe0 another one \xff\xd9";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n .... IEND\xaeB\x60\x82";

pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn any() -> Bounds {
    Bounds { max_size: 32 * 1024 * 1024, accept: Vec::new() }
}

async fn opened(server: &CloudinaryServer) -> Arc<dyn Blobs> {
    CloudinaryBlobs::new(server.config()).unwrap().open(&tenant()).await.unwrap()
}

async fn read(blobs: &Arc<dyn Blobs>, name: &str) -> Bytes {
    blobs.get("c", name).await.unwrap().1.collect().await.unwrap().to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_takes_one_call_and_its_url_works() {
    let server = CloudinaryServer::start().await;
    let blobs = opened(&server).await;
    let info = blobs.put("c", "me.jpg", body(JPEG), any()).await.unwrap();
    assert!(info.url.contains("/image/upload/") && info.url.ends_with("/c/me.jpg"), "{}", info.url);
    assert_eq!(server.fetch(&info.url).unwrap(), JPEG);
    assert_eq!(server.with(|account| account.calls.clone()), ["image/upload"]);
    // What is no picture by its name or its bytes is kept as it is.
    for (name, content) in [("me.txt", JPEG), ("words.jpg", b"just words"), ("odd.png", JPEG)] {
        let info = blobs.put("c", name, body(content), any()).await.unwrap();
        assert!(info.url.contains("/raw/upload/"), "{}", info.url);
        assert!(info.url.ends_with(&format!("/c/{name}")), "{}", info.url);
        assert_eq!(server.fetch(&info.url).unwrap(), content);
        assert_eq!(read(&blobs, name).await, content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_picture_is_kept_raw() {
    let server = CloudinaryServer::start().await;
    let blobs = opened(&server).await;
    let broken = &JPEG[..8];
    let info = blobs.put("c", "me.jpg", body(broken), any()).await.unwrap();
    assert!(info.url.contains("/raw/upload/"), "{}", info.url);
    assert_eq!(read(&blobs, "me.jpg").await, broken);
    assert_eq!(blobs.head("c", "me.jpg").await.unwrap(), info);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_content_is_found_whatever_the_one_before() {
    let server = CloudinaryServer::start().await;
    let blobs = opened(&server).await;
    for content in [JPEG, OTHER_JPEG, b"words", JPEG, PNG, &JPEG[..8], OTHER_JPEG] {
        let info = blobs.put("c", "n.jpg", body(content), any()).await.unwrap();
        assert_eq!(read(&blobs, "n.jpg").await, content);
        assert_eq!(blobs.head("c", "n.jpg").await.unwrap(), info);
    }
    blobs.delete("c", "n.jpg").await.unwrap();
    assert_eq!(blobs.head("c", "n.jpg").await, Err(BlobError::NotFound));
    assert!(server.with(|account| account.public_ids("raw").is_empty()));
    assert!(server.with(|account| account.public_ids("image").is_empty()));
}

/// Pictures have no ending in their public IDs, and don't get in each other's way all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endings_tell_pictures_apart() {
    let server = CloudinaryServer::start().await;
    let blobs = opened(&server).await;
    let kept = [("a.jpg", JPEG), ("a.png", PNG), ("a", OTHER_JPEG), ("jpg/a", b"words")];
    for (name, content) in kept {
        blobs.put("c", name, body(content), any()).await.unwrap();
    }
    for (name, content) in kept {
        assert_eq!(read(&blobs, name).await, content, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cloudinary_can_not_keep_is_refused() {
    let server = CloudinaryServer::start().await;
    let blobs = opened(&server).await;
    for (name, content) in [("empty", ""), ("v1/n", "x")] {
        let put = blobs.put("c", name, body(content), any()).await;
        assert!(matches!(put, Err(BlobError::Invalid(_))), "{put:?}");
    }
    server.with(|account| account.max_bytes = 1_000);
    let put = blobs.put("c", "n", body(vec![0; 1_001]), any()).await;
    assert_eq!(put, Err(BlobError::TooLarge));
    assert!(server.with(|account| account.calls.is_empty()));
}
