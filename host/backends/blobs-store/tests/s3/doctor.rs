//! What `pingtalk doctor` says of a bucket.

use pingtalk_blobs_store::{S3Config, examine_s3};
use pingtalk_capabilities::checkup::{Finding, Severity};

use crate::server::{ACCESS_KEY, S3Server, SECRET_KEY, config};

fn worst(findings: &[Finding]) -> &Finding {
    findings.iter().max_by_key(|finding| finding.severity).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_bucket_is_fine_and_left_as_it_was() {
    let server = S3Server::start().await;
    let findings = examine_s3(&server.config()).await;
    assert_eq!(worst(&findings).severity, Severity::Fine, "{findings:?}");
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(server.objects(), 0);
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_with_what_to_do() {
    let server = S3Server::start().await;
    let nobody = "127.0.0.1:1";
    for (change, in_what, in_advice) in [
        (
            (|config| config.bucket = "elsewhere".to_owned()) as fn(&mut S3Config),
            "NoSuchBucket",
            "create the bucket",
        ),
        (|config| config.secret_key = "another".to_owned(), "SignatureDoesNotMatch", "secret key"),
        (|config| config.endpoint = Some("ftp://x".to_owned()), "endpoint", "endpoint"),
        (|config| config.bucket.clear(), "needs a bucket", "settings"),
    ] {
        let mut config = server.config();
        change(&mut config);
        let findings = examine_s3(&config).await;
        let worst = worst(&findings);
        assert_eq!(worst.severity, Severity::Problem, "{findings:?}");
        assert!(worst.what.contains(in_what), "{worst:?}");
        assert!(worst.advice.as_deref().unwrap().contains(in_advice), "{worst:?}");
        let shown = format!("{findings:?}");
        assert!(![ACCESS_KEY, SECRET_KEY, "another"].iter().any(|key| shown.contains(key)));
    }
    let findings = examine_s3(&config(nobody)).await;
    assert!(worst(&findings).what.contains("can't be reached"), "{findings:?}");
    assert!(worst(&findings).advice.as_deref().unwrap().contains("reached"), "{findings:?}");
}
