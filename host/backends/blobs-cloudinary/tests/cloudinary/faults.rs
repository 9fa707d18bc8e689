//! What goes wrong between host and account, and how long it takes to be told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use pingtalk_blobs_cloudinary::{CloudinaryBlobs, Config, SignatureAlgorithm};
use pingtalk_capabilities::blobs::{BlobError, Blobs};
use pingtalk_contract::tenant;
use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};

use crate::{
    account::{API_SECRET, Account},
    pictures::{JPEG, any, body},
    server::{CloudinaryServer, config},
};

async fn opened(config: Config) -> Arc<dyn Blobs> {
    CloudinaryBlobs::new(config).unwrap().open(&tenant()).await.unwrap()
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, BlobError>) -> String {
    let Err(BlobError::Unavailable(reason)) = result else { panic!("{result:?}") };
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do_and_no_secret() {
    type Change = (fn(&mut Config), fn(&mut Account), &'static str);
    let changes: [Change; 6] = [
        (|config| config.api_secret = "wrong".to_owned(), |_| {}, "API secret"),
        (|config| config.api_key = "wrong".to_owned(), |_| {}, "API key"),
        (|config| config.cloud_name = "wrong".to_owned(), |_| {}, "API key"),
        (|_| {}, |account| account.seconds_ahead = 4_000, "clock"),
        (|_| {}, |account| account.rate_limited = true, "rate limit"),
        (|_| {}, |account| account.sha256_only = true, "API secret"),
    ];
    for (settings, change, sign) in changes {
        let server = CloudinaryServer::start().await;
        let mut config = server.config();
        settings(&mut config);
        server.with(change);
        let blobs = opened(config).await;
        for reason in [
            unavailable(blobs.put("c", "n.jpg", body(JPEG), any()).await),
            unavailable(blobs.delete("c", "n.jpg").await),
        ] {
            assert!(reason.contains(sign), "{reason}");
            assert!(!reason.contains(API_SECRET) && !reason.contains("wrong"), "{reason}");
        }
        assert!(server.with(|account| account.public_ids("image").is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sha256_is_taken_where_it_must_be() {
    let server = CloudinaryServer::start().await;
    server.with(|account| account.sha256_only = true);
    let mut config = server.config();
    config.signature_algorithm = SignatureAlgorithm::Sha256;
    let blobs = opened(config).await;
    blobs.put("c", "n.jpg", body(JPEG), any()).await.unwrap();
    blobs.delete("c", "n.jpg").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_changes_uploads_is_noticed() {
    let server = CloudinaryServer::start().await;
    server.with(|account| account.incoming_transformation = true);
    let blobs = opened(server.config()).await;
    let reason = unavailable(blobs.put("c", "n", body("words"), any()).await);
    assert!(reason.contains("incoming transformation"), "{reason}");
}

async fn all_unavailable(blobs: &Arc<dyn Blobs>, limit: Duration) {
    let now = Instant::now;
    let check = |since: Instant, reason: String| {
        assert!(since.elapsed() < limit, "{reason} after {:?}", since.elapsed());
        assert!(!reason.contains("127.0.0.1") && !reason.contains("pingtalk/"), "{reason}");
    };
    check(now(), unavailable(blobs.put("c", "n.jpg", body(JPEG), any()).await));
    check(now(), unavailable(blobs.get("c", "n.jpg").await.map(|(info, _)| info)));
    check(now(), unavailable(blobs.head("c", "n.jpg").await));
    check(now(), unavailable(blobs.delete("c", "n.jpg").await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_away_is_unavailable_until_it_is_back() {
    let server = CloudinaryServer::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let mut config = config(&proxy.address().to_string());
    config.call_time_out = Duration::from_secs(1);
    let blobs = opened(config).await;
    let info = blobs.put("c", "n.jpg", body(JPEG), any()).await.unwrap();

    proxy.take_away();
    all_unavailable(&blobs, Duration::from_secs(4)).await;
    proxy.mend();
    assert_eq!(blobs.head("c", "n.jpg").await, Ok(info));

    proxy.set(Fault::HoldAll);
    all_unavailable(&blobs, Duration::from_secs(4)).await;

    // What was held may be carried out now, as after any call that was given up: another name is
    // needed to see that calls work again.
    proxy.mend();
    let info = blobs.put("c", "after.jpg", body(JPEG), any()).await.unwrap();
    assert_eq!(blobs.head("c", "after.jpg").await, Ok(info));
}

/// An upload whose answer is lost may be repeated: it overwrites itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_may_be_repeated() {
    let server = CloudinaryServer::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let blobs = opened(config(&proxy.address().to_string())).await;
    let trap = proxy.trap("image/upload", Cut::BeforeReply);
    unavailable(blobs.put("c", "n.jpg", body(JPEG), any()).await);
    trap.sprung().await;
    let info = blobs.put("c", "n.jpg", body(JPEG), any()).await.unwrap();
    assert_eq!(blobs.head("c", "n.jpg").await, Ok(info));
    assert_eq!(server.with(|account| account.public_ids("image").len()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_cut_is_an_error() {
    let server = CloudinaryServer::start().await;
    let proxy = FaultProxy::start(&server.address).await.unwrap();
    let mut config = config(&proxy.address().to_string());
    config.call_time_out = Duration::from_secs(2);
    let blobs = opened(config).await;
    blobs.put("c", "n", body(vec![7; 24 * 1024 * 1024]), any()).await.unwrap();
    for fault in [Fault::HoldAll, Fault::None] {
        let (info, mut download) = blobs.get("c", "n").await.unwrap();
        assert_eq!(info.size, 24 * 1024 * 1024);
        download.frame().await.unwrap().unwrap();
        if fault == Fault::None {
            proxy.reset()
        } else {
            proxy.set(fault)
        }
        let since = Instant::now();
        let end = loop {
            match download.frame().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(_))), "{fault:?}");
        assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
        proxy.mend();
    }
}
