//! What the doctor says about brokers that work, that are away, and that refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod scene;

use std::time::{Duration, Instant};

use pingtalk_capabilities::checkup::{Finding, Severity};
use pingtalk_contract::servers;
use pingtalk_events_rabbitmq::{Config, examine};
use pingtalk_fault_proxy::{Fault, FaultProxy};
use scene::{address, config, config_at};

/// The one problem, and its advice.
fn problem(findings: &[Finding]) -> (&str, &str) {
    let problems: Vec<_> =
        findings.iter().filter(|finding| finding.severity == Severity::Problem).collect();
    assert_eq!(problems.len(), 1, "{findings:?}");
    (&problems[0].what, problems[0].advice.as_deref().unwrap())
}

#[tokio::test]
async fn a_broker_that_works_is_fine_and_keeps_no_trace() {
    for _ in 0..2 {
        let findings = examine(&config()).await;
        assert!(findings.iter().all(|it| it.severity < Severity::Problem), "{findings:?}");
        assert!(findings[0].what.starts_with("RabbitMQ is version "), "{findings:?}");
        assert_eq!(findings.len(), 3, "{findings:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let url = servers::rabbitmq().replacen("guest:guest@", "guest:hunter2@", 1);
    let findings = examine(&Config::new(url)).await;
    let (what, advice) = problem(&findings);
    assert!(what.contains("ACCESS") && advice.contains("password"), "{findings:?}");
    assert!(!format!("{findings:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_missing_virtual_host_is_told() {
    let url = servers::rabbitmq();
    let (before, _) = url.rsplit_once('/').unwrap();
    let findings = examine(&Config::new(format!("{before}/no-such-host"))).await;
    let (_, advice) = problem(&findings);
    assert!(advice.contains("virtual host"), "{findings:?}");
}

#[tokio::test]
async fn a_broker_that_is_away_or_hangs_is_told_soon() {
    let proxy = FaultProxy::start(address()).await.unwrap();
    for fault in [Fault::Refuse, Fault::HoldAll] {
        proxy.set(fault);
        let since = Instant::now();
        let findings = examine(&config_at(proxy.address())).await;
        assert!(since.elapsed() < Duration::from_secs(5));
        let (_, advice) = problem(&findings);
        assert!(advice.contains("host, port"), "{findings:?}");
    }
    let findings = examine(&Config::new("not a URL with a secret")).await;
    assert!(!problem(&findings).0.contains("secret"));
}
