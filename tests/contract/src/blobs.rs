//! What every blob store does.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs, BlobsBackend, Bounds, MAX_BLOB_BYTES},
    calls::{Body, BodyError},
};

use crate::tenant;

/// Runs the suite; see the crate's description.
#[macro_export]
macro_rules! blobs {
    ($setup:expr) => {
        $crate::suite!(
            blobs,
            $setup,
            [
                stores_and_returns,
                an_empty_blob_is_kept_or_refused,
                replaces_whole,
                keeps_large_blobs,
                the_type_is_found_in_the_bytes,
                a_refused_or_broken_upload_stores_nothing,
                names_are_checked,
                names_do_not_collide,
                deletes,
                tenants_have_their_own,
                what_is_stored_is_told_or_unknown,
            ]
        );
    };
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

async fn open(backend: &Arc<dyn BlobsBackend>) -> Arc<dyn Blobs> {
    backend.open(&tenant()).await.unwrap()
}

fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Many small frames, then an end or an error.
fn frames(count: usize, frame: &'static [u8], end: Option<BodyError>) -> Body {
    let frames = (0..count).map(move |_| Ok(Bytes::from_static(frame)));
    let frames = frames.chain(end.map(Err)).map(|frame| frame.map(http_body::Frame::data));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

fn any(max_size: u64) -> Bounds {
    Bounds { max_size, accept: Vec::new() }
}

async fn read(blobs: &Arc<dyn Blobs>, name: &str) -> Result<(BlobInfo, Bytes), BlobError> {
    let (info, content) = blobs.get("c", name).await?;
    Ok((info, content.collect().await.unwrap().to_bytes()))
}

/// What was put comes back, with the same facts from every call.
pub async fn stores_and_returns(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let put = blobs.put("c", "dir/name.png", body(PNG), any(1_000)).await.unwrap();
    assert_eq!(put.size, PNG.len() as u64);
    assert!(put.url.ends_with("/c/dir/name.png"), "{}", put.url);
    assert_eq!(blobs.head("c", "dir/name.png").await, Ok(put.clone()));
    assert_eq!(read(&blobs, "dir/name.png").await, Ok((put, Bytes::from_static(PNG))));
}

/// Some stores can't hold nothing: they say so, and hold nothing.
pub async fn an_empty_blob_is_kept_or_refused(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    match blobs.put("c", "empty", body(""), any(0)).await {
        Ok(empty) => {
            assert_eq!(empty.size, 0);
            assert_eq!(blobs.head("c", "empty").await, Ok(empty.clone()));
            assert_eq!(read(&blobs, "empty").await, Ok((empty, Bytes::new())));
        }
        Err(BlobError::Invalid(_)) => {
            assert_eq!(blobs.head("c", "empty").await, Err(BlobError::NotFound));
        }
        Err(other) => panic!("{other}"),
    }
}

/// A second put replaces the first, longer or shorter.
pub async fn replaces_whole(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    for content in ["a longer text", "short", "something else again"] {
        blobs.put("c", "n", body(content), any(100)).await.unwrap();
        assert_eq!(read(&blobs, "n").await.unwrap().1, content);
    }
}

/// The greatest blob, in uneven pieces.
pub async fn keeps_large_blobs(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let content: Vec<u8> = (0..MAX_BLOB_BYTES).map(|at| (at % 251) as u8).collect();
    let content = Bytes::from(content);
    let pieces: Vec<_> = content.chunks(77_777).map(Bytes::copy_from_slice).collect();
    let pieces = pieces.into_iter().map(|piece| Ok(http_body::Frame::data(piece)));
    let stream = StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync();
    let info = blobs.put("c", "n", stream, any(MAX_BLOB_BYTES)).await.unwrap();
    assert_eq!(info.size, MAX_BLOB_BYTES);
    assert!(read(&blobs, "n").await.unwrap().1 == content);
}

/// The content type is what the bytes say, whatever the name says.
pub async fn the_type_is_found_in_the_bytes(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let png = blobs.put("c", "n.jpg", body(PNG), any(100)).await.unwrap();
    assert_eq!(png.content_type, "image/png");
    let jpeg = blobs.put("c", "n.png", body(&b"\xff\xd8\xff\xe0\0\0"[..]), any(100)).await.unwrap();
    assert_eq!(jpeg.content_type, "image/jpeg");
    let other = blobs.put("c", "n.txt", body("just words"), any(100)).await.unwrap();
    assert!(!other.content_type.starts_with("image/"));
}

/// Too large, of another type, or cut short: the error says which, and what was there stays.
pub async fn a_refused_or_broken_upload_stores_nothing(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let accept = || Bounds { max_size: 1_000_000_000, accept: vec!["image/png".to_owned()] };
    let over = blobs.put("c", "n", body("x"), accept()).await;
    assert!(matches!(over, Err(BlobError::Invalid(_))), "{over:?}");
    let accept = || Bounds { max_size: 1_000, accept: vec!["image/png".to_owned()] };
    let large = 12 * 1024 * 1024;
    for before in [None, Some("kept")] {
        if let Some(content) = before {
            blobs.put("c", "n", body(content), any(100)).await.unwrap();
        }
        assert_eq!(blobs.put("c", "n", body("12345"), any(4)).await, Err(BlobError::TooLarge));
        let endless = frames(large / 1_000 + 1, &[7; 1_000], None);
        assert_eq!(blobs.put("c", "n", endless, any(large as u64)).await, Err(BlobError::TooLarge));
        let jpeg = blobs.put("c", "n", body(&b"\xff\xd8\xff\xe0"[..]), accept()).await;
        assert_eq!(jpeg, Err(BlobError::Unacceptable("image/jpeg".to_owned())));
        for count in [3, large / 1_000] {
            let cut = frames(count, &[7; 1_000], Some(BodyError::Aborted("gone".into())));
            let cut = blobs.put("c", "n", cut, any(MAX_BLOB_BYTES)).await;
            assert!(cut.is_err());
        }
        match before {
            None => assert_eq!(blobs.head("c", "n").await, Err(BlobError::NotFound)),
            Some(content) => assert_eq!(read(&blobs, "n").await.unwrap().1, content),
        }
    }
    blobs.put("c", "n", body(PNG), accept()).await.unwrap();
}

/// A name can't lead out of its place.
pub async fn names_are_checked(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let long = "n".repeat(201);
    for wrong in ["", "/", "..", "../x", "a/../b", "./a", "a//b", "/a", "a/", "a b", "ä", &long] {
        let put = blobs.put("c", wrong, body("x"), any(9)).await;
        assert!(matches!(put, Err(BlobError::Invalid(_))), "{wrong}: {put:?}");
        assert!(matches!(blobs.get("c", wrong).await.map(|_| ()), Err(BlobError::Invalid(_))));
        assert!(matches!(blobs.head(wrong, "n").await, Err(BlobError::Invalid(_))));
        assert!(matches!(blobs.delete("c", wrong).await, Err(BlobError::Invalid(_))));
    }
    let longest = "n".repeat(200);
    blobs.put("c", &longest, body("x"), any(9)).await.unwrap();
    assert_eq!(blobs.head("c", &longest).await.unwrap().size, 1);
}

/// Names that are starts of others are names of their own.
pub async fn names_do_not_collide(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    for name in ["a", "a/b", "a/b/c", "A"] {
        blobs.put("c", name, body(name.to_owned()), any(9)).await.unwrap();
    }
    for name in ["a", "a/b", "a/b/c", "A"] {
        assert_eq!(read(&blobs, name).await.unwrap().1, name);
    }
    assert_eq!(blobs.head("other", "a").await, Err(BlobError::NotFound));
}

/// A deleted blob is gone; an absent one is no error.
pub async fn deletes(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    blobs.put("c", "n", body("x"), any(9)).await.unwrap();
    assert_eq!(blobs.delete("c", "n").await, Ok(()));
    assert_eq!(blobs.delete("c", "n").await, Ok(()));
    assert_eq!(blobs.head("c", "n").await, Err(BlobError::NotFound));
    assert!(matches!(blobs.get("c", "n").await.map(|_| ()), Err(BlobError::NotFound)));
}

/// One tenant's blobs are not another's, and their URLs differ.
pub async fn tenants_have_their_own(backend: Arc<dyn BlobsBackend>) {
    let (one, two) = (open(&backend).await, open(&backend).await);
    let info = one.put("c", "n", body("1"), any(9)).await.unwrap();
    assert_eq!(two.head("c", "n").await, Err(BlobError::NotFound));
    let other = two.put("c", "n", body("2"), any(9)).await.unwrap();
    assert_ne!(info.url, other.url);
    assert_eq!(read(&one, "n").await.unwrap().1, "1");
}

/// What a store says it holds grows and shrinks by what is stored and removed.
pub async fn what_is_stored_is_told_or_unknown(backend: Arc<dyn BlobsBackend>) {
    let blobs = open(&backend).await;
    let Some(before) = blobs.stored_bytes().await.unwrap() else { return };
    blobs.put("c", "dir/a.png", body(PNG), any(1_000)).await.unwrap();
    blobs.put("c", "b", body(vec![7; 100_000]), any(1_000_000)).await.unwrap();
    let size = PNG.len() as u64;
    assert_eq!(blobs.stored_bytes().await, Ok(Some(before + size + 100_000)));
    blobs.delete("c", "b").await.unwrap();
    assert_eq!(blobs.stored_bytes().await, Ok(Some(before + size)));
    let others = backend.open(&tenant()).await.unwrap();
    assert_eq!(others.stored_bytes().await, Ok(Some(0)), "another tenant's are its own");
}
