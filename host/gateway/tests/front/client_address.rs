//! Who the handler believes is asking.

use pingtalk_gateway::{Config, Route, Site};

use crate::support::{Answer, Front, echo};

const FORGED: [&str; 7] = [
    "x-forwarded-for: 6.6.6.6",
    "x-forwarded-proto: https",
    "x-real-ip: 6.6.6.6",
    "forwarded: for=6.6.6.6",
    "x-pingtalk-client: 6.6.6.6",
    "x-pingtalk-secure: 1",
    "x-request-id: chosen",
];

fn lines(answer: &Answer) -> Vec<&str> {
    answer.body.lines().filter(|line| line.contains("6.6.6.6") || line.starts_with("x-")).collect()
}

#[tokio::test]
async fn a_client_can_say_nothing_about_itself() {
    let front = Front::of(vec![Route::service("", echo())]);
    let answer = front.ask("GET /", &FORGED, b"").await;
    assert!(answer.body.contains("from 127.0.0.1 false\n"), "{}", answer.body);
    let id = answer.header("x-request-id").unwrap();
    assert_ne!(id, "chosen");
    assert_eq!(id.len(), 16);
    let expected = ["x-pingtalk-client: 127.0.0.1", &format!("x-request-id: {id}")];
    assert_eq!(lines(&answer), expected);
}

#[tokio::test]
async fn a_trusted_proxy_can() {
    let config =
        Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    let front = Front::start(config, Site::new(vec![Route::service("", echo())]));
    let answer = front.ask("GET /", &FORGED, b"").await;
    assert!(answer.body.contains("from 6.6.6.6 true\n"), "{}", answer.body);
    assert_eq!(answer.header("x-request-id"), Some("chosen"));
    assert_eq!(
        lines(&answer),
        [
            "x-pingtalk-client: 6.6.6.6",
            "x-request-id: chosen",
            "x-pingtalk-secure: 1",
            "from 6.6.6.6 true"
        ]
    );
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let front = Front::of(vec![Route::service("", echo())]);
    let answer = front
        .ask(
            "GET /",
            &[
                "keep-alive: 1",
                "te: trailers",
                "upgrade: h2c",
                "proxy-authorization: x",
                "accept: a",
            ],
            b"",
        )
        .await;
    let names: Vec<&str> = answer
        .body
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
        .collect();
    assert_eq!(names, ["host", "accept", "x-pingtalk-client", "x-request-id"]);
}
