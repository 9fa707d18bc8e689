//! What the doctor finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pingtalk_cache_redis::examine;
use pingtalk_capabilities::checkup::{Finding, Severity};
use pingtalk_contract::redis_server::Server;
use pingtalk_redis_connection::{Config, Redis};

fn at(server: &Server, password: Option<&str>) -> Config {
    Config::from_parts("127.0.0.1", Some(server.port()), password)
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().expect("something is found")
}

fn says(findings: &[Finding], severity: Severity, text: &str) -> bool {
    findings.iter().any(|finding| {
        finding.severity == severity
            && finding.what.contains(text)
            && finding.advice.is_some() == (severity != Severity::Fine)
    })
}

#[tokio::test]
async fn a_healthy_server_is_fine_and_left_as_it_was() {
    let server = Server::start(&["--requirepass", "secret"]);
    let config = at(&server, Some("secret"));
    let findings = examine(&config).await;
    assert_eq!(worst(&findings), Severity::Fine, "{findings:?}");
    assert!(says(&findings, Severity::Fine, "Redis is "), "{findings:?}");
    let keys: i64 = Redis::new(config).query(&redis::cmd("DBSIZE")).await.unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let server = Server::start(&["--requirepass", "secret"]);
    for wrong in [None, Some("not-it")] {
        let findings = examine(&at(&server, wrong)).await;
        assert!(says(&findings, Severity::Problem, "no connection"), "{findings:?}");
        let shown = format!("{findings:?}");
        assert!(shown.contains("REDIS_PASSWORD") && !shown.contains("not-it"), "{shown}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_problem() {
    let mut server = Server::start(&[]);
    server.kill();
    let findings = examine(&at(&server, None)).await;
    assert!(says(&findings, Severity::Problem, "refused"), "{findings:?}");
}

#[tokio::test]
async fn what_will_disappoint_is_a_warning() {
    let arguments = ["--maxmemory", "100mb", "--maxmemory-policy", "noeviction"];
    let server = Server::start(&[&arguments[..], &["--appendonly", "yes"]].concat());
    let findings = examine(&at(&server, None)).await;
    assert!(says(&findings, Severity::Warning, "noeviction"), "{findings:?}");
    assert!(says(&findings, Severity::Warning, "append-only file"), "{findings:?}");
    assert_eq!(worst(&findings), Severity::Warning);
}

#[tokio::test]
async fn a_replica_and_a_user_without_rights_are_problems() {
    let server = Server::start(&["--replicaof", "127.0.0.1 1"]);
    let findings = examine(&at(&server, None)).await;
    assert!(says(&findings, Severity::Problem, "replica"), "{findings:?}");

    let server = Server::start(&[]);
    let redis = Redis::new(at(&server, None));
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("reader").arg("on").arg(">secret").arg("~*").arg("+@read");
    user.arg("+ping").arg("+info");
    let () = redis.query(&user).await.unwrap();
    let url = format!("redis://reader:secret@127.0.0.1:{}", server.port());
    let findings = examine(&Config::new(&url).unwrap()).await;
    assert!(says(&findings, Severity::Problem, "but not write"), "{findings:?}");
}
