//! What `pingtalk doctor` says of an account.

use pingtalk_blobs_cloudinary::{Config, examine};
use pingtalk_capabilities::checkup::{Finding, Severity};

use crate::{
    account::{API_KEY, API_SECRET, Account},
    server::{CloudinaryServer, config},
};

fn worst(findings: &[Finding]) -> &Finding {
    findings.iter().max_by_key(|finding| finding.severity).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_account_is_fine_and_left_as_it_was() {
    let server = CloudinaryServer::start().await;
    let findings = examine(&server.config()).await;
    assert_eq!(worst(&findings).severity, Severity::Fine, "{findings:?}");
    assert_eq!(findings.len(), 2);
    assert!(server.with(|account| account.calls.contains(&"image/upload".to_owned())));
    assert!(server.with(|account| account.public_ids("image").is_empty()));
    assert!(server.with(|account| account.public_ids("raw").is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_with_what_to_do() {
    type Change = (fn(&mut Config), fn(&mut Account), &'static str);
    let changes: [Change; 6] = [
        (|config| config.api_secret = "wrong".to_owned(), |_| {}, "API key and secret"),
        (|config| config.cloud_name = "a/b".to_owned(), |_| {}, "settings"),
        (|_| {}, |account| account.sha256_only = true, "signature algorithm"),
        (|_| {}, |account| account.seconds_ahead = 4_000, "clock"),
        (|_| {}, |account| account.incoming_transformation = true, "incoming transformation"),
        (|_| {}, |account| account.rate_limited = true, "rate limit"),
    ];
    for (settings, change, advice) in changes {
        let server = CloudinaryServer::start().await;
        let mut config = server.config();
        settings(&mut config);
        server.with(change);
        let findings = examine(&config).await;
        let worst = worst(&findings);
        assert_eq!(worst.severity, Severity::Problem, "{findings:?}");
        assert!(worst.advice.as_deref().unwrap().contains(advice), "{worst:?}");
        let shown = format!("{findings:?}");
        assert!(![API_KEY, API_SECRET, "wrong"].iter().any(|secret| shown.contains(secret)));
    }
    let findings = examine(&config("127.0.0.1:1")).await;
    assert!(worst(&findings).advice.as_deref().unwrap().contains("reached"), "{findings:?}");
}
