//! Who gets in.

use http::{Method, StatusCode};
use pingtalk_admin::{Scope, routes};

use crate::support::{secret, setting};

/// A path that fits a route's pattern; what it names is not there.
fn example(pattern: &str) -> String {
    let segment = |part: &str| match part {
        "{digest}" => "00".repeat(32),
        part if part.starts_with('{') => "nobody".to_owned(),
        part => part.to_owned(),
    };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn each_route_asks_for_its_scope_and_lets_nobody_else_in() {
    let setting = setting().await;
    for (method, pattern, needed) in routes() {
        let path = example(pattern);
        let anonymous = setting.send("10.0.0.9", None, method.clone(), &path, "").await;
        let Some(needed) = needed else {
            assert_eq!(anonymous.status, StatusCode::OK, "{path}");
            continue;
        };
        assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(anonymous.headers["www-authenticate"], "Bearer");
        for scope in [Scope::Read, Scope::Deploy, Scope::Admin] {
            let answer = setting.call(scope, method.clone(), &path, "{}").await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, scope < needed, "{method} {path} with {scope:?}: {}", answer.text);
            if refused && *method != Method::HEAD {
                let message = answer.body["error"]["message"].as_str().unwrap();
                assert!(message.contains(needed.name()), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_then_slowed_down_for_their_address_only() {
    let setting = setting().await;
    let guess = async |client: &str, value: &str| {
        setting.send(client, Some(value), Method::GET, "/v1/status", "").await
    };
    let right = format!("Bearer {}", secret(Scope::Read));
    for wrong in ["Bearer guess", "Basic YTpi", "", "Bearer", &secret(Scope::Read)] {
        let answer = guess("10.9.9.9", wrong).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "unauthorized"));
        assert!(!answer.text.contains(&secret(Scope::Read)));
    }
    for _ in 0..15 {
        guess("10.9.9.9", "Bearer guess").await;
    }
    let slowed = guess("10.9.9.9", &right).await;
    assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS, "even with the right one");
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(guess("10.9.9.8", &right).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let setting = setting().await;
    let answer = setting.admin(Method::GET, "/v1/nothing", "").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found"));
    let answer = setting.admin(Method::PUT, "/v1/tenants", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers["allow"], "GET, POST");
}

#[tokio::test]
async fn a_drain_starts_and_answers_at_once() {
    let setting = setting().await;
    let answer = setting.admin(Method::POST, "/v1/drain", "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(setting.platform.draining.load(std::sync::atomic::Ordering::SeqCst));
}
