//! What goes wrong between host and bucket, and how long it takes to be told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_blobs_store::{S3Blobs, S3Config};
use pingtalk_capabilities::{
    blobs::{BlobError, Blobs, Bounds},
    calls::Body,
};
use pingtalk_contract::tenant;
use pingtalk_fault_proxy::{Fault, FaultProxy};

use crate::server::{S3Server, config};

fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn any() -> Bounds {
    Bounds { max_size: 32 * 1024 * 1024, accept: Vec::new() }
}

async fn opened(config: S3Config) -> Arc<dyn Blobs> {
    S3Blobs::new(config).unwrap().open(&tenant()).await.unwrap()
}

/// Every call fails the same way, and each in time.
async fn all_unavailable(blobs: &Arc<dyn Blobs>, limit: Duration, sign: &str) {
    let check = |since: Instant, result: Result<(), BlobError>| {
        let Err(BlobError::Unavailable(reason)) = result else { panic!("{result:?}") };
        assert!(reason.contains(sign), "{reason}");
        assert!(since.elapsed() < limit, "{:?}", since.elapsed());
    };
    let now = Instant::now;
    check(now(), blobs.put("c", "n", body("x"), any()).await.map(drop));
    check(now(), blobs.put("c", "n", body(vec![0; 6 * 1024 * 1024]), any()).await.map(drop));
    check(now(), blobs.get("c", "n").await.map(drop));
    check(now(), blobs.head("c", "n").await.map(drop));
    check(now(), blobs.delete("c", "n").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_says_so() {
    let server = S3Server::start().await;
    let mut config = server.config();
    config.secret_key = "another-secret".to_owned();
    let blobs = opened(config).await;
    let limit = Duration::from_secs(10);
    let (put, sign) = (blobs.put("c", "n", body("x"), any()).await, "SignatureDoesNotMatch");
    let Err(BlobError::Unavailable(reason)) = put else { panic!("{put:?}") };
    assert!(reason.contains(sign) && !reason.contains("another-secret"), "{reason}");
    all_unavailable(&blobs, limit, "refuses the host's key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_bucket_is_no_missing_blob() {
    let server = S3Server::start().await;
    let mut config = server.config();
    config.bucket = "elsewhere".to_owned();
    all_unavailable(&opened(config).await, Duration::from_secs(10), "NoSuchBucket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_until_it_is_back() {
    let server = S3Server::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let blobs = opened(config(&proxy.address().to_string())).await;
    blobs.put("c", "n", body("before"), any()).await.unwrap();

    proxy.take_away();
    all_unavailable(&blobs, Duration::from_secs(11), "").await;

    proxy.mend();
    let (_, content) = blobs.get("c", "n").await.unwrap();
    assert_eq!(content.collect().await.unwrap().to_bytes(), "before");
    blobs.put("c", "n", body("after"), any()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unavailable_in_time() {
    let server = S3Server::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let mut config = config(&proxy.address().to_string());
    config.call_time_out = Duration::from_secs(1);
    let blobs = opened(config).await;
    blobs.put("c", "n", body("before"), any()).await.unwrap();

    proxy.set(Fault::HoldAll);
    all_unavailable(&blobs, Duration::from_secs(4), "").await;

    // What was held may be carried out now, as after any call that was given up: another name is
    // needed to see that calls work again.
    proxy.mend();
    blobs.put("c", "after", body("after"), any()).await.unwrap();
    assert_eq!(blobs.head("c", "after").await.unwrap().size, 5);
}

/// A connection that breaks in the middle of a download is taken up again where it broke.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_download_goes_on() {
    let server = S3Server::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let blobs = opened(config(&proxy.address().to_string())).await;
    let content: Bytes = (0..24 * 1024 * 1024).map(|at| (at % 251) as u8).collect();
    blobs.put("c", "n", body(content.clone()), any()).await.unwrap();

    let (_, mut download) = blobs.get("c", "n").await.unwrap();
    let mut got = download.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    proxy.reset();
    while let Some(frame) = download.frame().await {
        got.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert!(got == content, "{} of {} bytes", got.len(), content.len());
}

/// What can't be taken up again ends with an error, never as if it were whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_stops_is_an_error() {
    let server = S3Server::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let mut config = config(&proxy.address().to_string());
    config.call_time_out = Duration::from_secs(2);
    let blobs = opened(config).await;
    let content = vec![7; 24 * 1024 * 1024];
    blobs.put("c", "n", body(content), any()).await.unwrap();

    for fault in [Fault::HoldAll, Fault::Refuse] {
        proxy.mend();
        let (_, mut download) = blobs.get("c", "n").await.unwrap();
        download.frame().await.unwrap().unwrap();
        proxy.set(fault);
        if fault == Fault::Refuse {
            proxy.reset();
        }
        let since = Instant::now();
        let end = loop {
            match download.frame().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(_))), "{fault:?}");
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    }
}
