//! Which handler gets which request, and what it sees of it.

use std::sync::Arc;

use pingtalk_capabilities::calls::CallError;
use pingtalk_gateway::{Config, Found, Gateway, Route, Site, Sites};

use crate::support::{Front, echo, says};

fn site() -> Site {
    Site::new(vec![
        Route::service("/auth", echo()),
        Route::service("/chat", says("chat")),
        Route::sockets("/chat/socket.io", says("sockets")),
        Route::sockets("/socket.io", says("sockets")),
    ])
    .with_health()
}

#[tokio::test]
async fn prefixes_are_stripped_in_any_letter_case() {
    let front = Front::start(Config::default(), site());
    for (path, seen) in [
        ("/auth/login", "GET /login\n"),
        ("/AUTH/Login?a=b", "GET /Login?a=b\n"),
        ("/auth/", "GET /\n"),
        ("/auth", "GET /\n"),
        ("/auth?x=1", "GET /?x=1\n"),
    ] {
        let answer = front.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.starts_with(seen), "{path}: {}", answer.body);
        answer.has_security_headers();
    }
}

#[tokio::test]
async fn sockets_stand_at_exact_paths_with_or_without_a_slash() {
    let front = Front::start(Config::default(), site());
    for path in ["/socket.io", "/socket.io/?EIO=4", "/chat/socket.io/", "/Chat/Socket.IO/"] {
        assert_eq!(front.get(path).await.body, "sockets", "{path}");
    }
    assert_eq!(front.get("/chat/socket.iox").await.body, "chat");
    assert_eq!(front.get("/chat/socket.io/x").await.body, "chat");
}

#[tokio::test]
async fn health_answers_every_method() {
    let front = Front::start(Config::default(), site());
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ANY"] {
        let answer = front.ask(&format!("{method} /health"), &[], b"").await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(answer.body, "API Gateway is healthy");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        answer.has_security_headers();
    }
    let head = front.ask("HEAD /health", &[], b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some("22"));
}

#[tokio::test]
async fn everything_else_is_404() {
    let front = Front::start(Config::default(), site());
    for path in ["/", "/authority", "/nothing", "/healthy", "//auth/login"] {
        let answer = front.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.message(), "Not found");
    }
}

#[tokio::test]
async fn dot_segments_are_refused_rather_than_resolved() {
    let front = Front::start(Config::default(), site());
    for path in ["/auth/../chat/x", "/auth/%2e%2e/chat", "/auth/..%2fchat", "/./auth/login"] {
        let answer = front.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.message(), "Malformed path");
    }
}

struct ByName(Arc<Site>);

impl Sites for ByName {
    fn site(&self, host: Option<&str>) -> Found {
        match host {
            Some("shop.example") => Found::Here(Arc::clone(&self.0)),
            Some("asleep.example") => {
                let site = Arc::clone(&self.0);
                Found::Waking(Box::pin(async move {
                    tokio::task::yield_now().await;
                    Ok(site)
                }))
            }
            Some("broken.example") => {
                Found::Waking(Box::pin(async { Err(CallError::ShuttingDown) }))
            }
            _ => Found::Nowhere,
        }
    }
}

#[tokio::test]
async fn a_host_name_finds_its_site() {
    let site = Arc::new(Site::new(vec![Route::service("", says("shop"))]));
    let front = Front::serve(Gateway::new(Config::default(), Arc::new(ByName(site))));
    let ask = async |head: &str| {
        crate::support::Answer::parse(&front.raw(format!("{head}connection: close\r\n\r\n")).await)
    };
    let shop = ask("GET / HTTP/1.1\r\nhost: shop.example:3000\r\n").await;
    assert_eq!((shop.status, shop.body.as_str()), (200, "shop"));
    let absolute = ask("GET http://shop.example/ HTTP/1.1\r\nhost: other\r\n").await;
    assert_eq!(absolute.status, 200, "the target's authority wins");
    let other = ask("GET / HTTP/1.1\r\nhost: other\r\n").await;
    assert_eq!((other.status, other.message().as_str()), (421, "Unknown host"));
    let asleep = ask("GET / HTTP/1.1\r\nhost: asleep.example\r\n").await;
    assert_eq!((asleep.status, asleep.body.as_str()), (200, "shop"), "it waits for its tenant");
    let broken = ask("GET / HTTP/1.1\r\nhost: broken.example\r\n").await;
    assert_eq!(broken.status, 503);
}

#[tokio::test]
async fn direct_ports_share_the_counters() {
    let front = Front::start(Config::default(), site());
    let direct = Site::new(vec![Route::service("", echo())]);
    let sites = Arc::new(pingtalk_gateway::OneSite(Arc::new(direct)));
    let beside = Front::serve(front.gateway.with_sites(sites));
    assert!(beside.get("/login").await.body.starts_with("GET /login\n"));
    assert_eq!(beside.get("/health").await.body.lines().next(), Some("GET /health"));
    front.get("/auth/x").await;
    assert_eq!(front.gateway.metrics().snapshot().accepted, 3);
}

#[tokio::test]
async fn an_absolute_target_replaces_the_host() {
    let front = Front::of(vec![Route::service("", echo())]);
    let answer = front.ask("GET http://shop.example:81/x?y", &[], b"").await;
    assert!(answer.body.starts_with("GET /x?y\n"), "{}", answer.body);
    assert!(answer.body.contains("host: shop.example:81\n"), "{}", answer.body);
    assert!(!answer.body.contains("host: test"));
}
