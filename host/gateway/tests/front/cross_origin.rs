//! CORS, byte for byte.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode};
use pingtalk_gateway::{Config, CorsPolicy, RateLimit, RateRule, Route, Site};

use crate::support::{Answer, Front, handler, says, text};

const ALLOWED: &str = "origin: http://localhost:5173";

fn front() -> Front {
    let noisy = handler(|_, _| async {
        let mut response: Response<_> = text("ok");
        let headers = response.headers_mut();
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("false"));
        headers.insert("vary", HeaderValue::from_static("Accept"));
        headers.insert("x-frame-options", HeaderValue::from_static("ALLOWALL"));
        headers.insert("x-powered-by", HeaderValue::from_static("wasm"));
        headers.insert("server", HeaderValue::from_static("wasm"));
        Ok(response)
    });
    let mut limited = Route::service("/limited", says("ok"));
    let rule = RateRule { burst: 0, per_second: 1, ..RateRule::default() };
    limited.rate_limit = Some(Arc::new(RateLimit::new(rule)));
    let site = Site::new(vec![
        Route::service("/auth", noisy),
        limited,
        Route::sockets(
            "/socket.io",
            handler(|_, _| async {
                let mut response = text("");
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                Ok(response)
            }),
        ),
    ])
    .with_health()
    .with_cors(CorsPolicy::new([
        "http://localhost:5173",
        "http://localhost:3000",
        "https://yourdomain.com",
    ]));
    Front::start(Config::default(), site)
}

fn is_open(answer: &Answer) {
    answer.has_security_headers();
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, POST, PUT, DELETE, PATCH, OPTIONS")
    );
    assert_eq!(answer.header("access-control-allow-headers"), Some("Content-Type, Authorization"));
}

fn is_shut(answer: &Answer) {
    answer.has_security_headers();
    for header in ["origin", "credentials", "methods", "headers"] {
        assert_eq!(answer.header(&format!("access-control-allow-{header}")), None);
    }
    assert!(answer.header("vary").is_some_and(|vary| vary.contains("Origin")));
}

#[tokio::test]
async fn an_allowed_origin_gets_each_header_once() {
    let front = front();
    let answer = front.ask("POST /auth/login", &[ALLOWED], b"").await;
    assert_eq!(answer.body, "ok");
    is_open(&answer);
    assert_eq!(answer.header("vary"), Some("Accept, Origin"));
    is_open(&front.ask("GET /health", &[ALLOWED], b"").await);
    is_open(&front.ask("GET /nothing", &[ALLOWED], b"").await);
}

#[tokio::test]
async fn errors_can_be_read_across_origins_too() {
    let front = front();
    front.ask("GET /limited/x", &[ALLOWED], b"").await;
    let answer = front.ask("GET /limited/x", &[ALLOWED], b"").await;
    assert_eq!(answer.status, 429);
    is_open(&answer);
}

#[tokio::test]
async fn other_origins_get_none_of_them() {
    let front = front();
    for origin in [
        "origin: http://localhost:51730",
        "origin: http://localhost:5173/",
        "origin: https://localhost:5173",
        "origin: null",
        "origin: https://yourdomain.com.evil.com",
    ] {
        is_shut(&front.ask("GET /auth/x", &[origin], b"").await);
    }
    is_shut(&front.ask("GET /auth/x", &[], b"").await);
    is_shut(&front.ask("GET /auth/x", &[ALLOWED, "origin: http://evil"], b"").await);
}

#[tokio::test]
async fn a_preflight_is_204_and_reaches_no_handler() {
    let front = front();
    let preflight = ["access-control-request-method: POST", ALLOWED];
    let answer = front.ask("OPTIONS /auth/login", &preflight, b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    is_open(&answer);
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(answer.header("content-length"), None);
    let foreign = ["access-control-request-method: POST", "origin: http://evil"];
    let answer = front.ask("OPTIONS /auth/login", &foreign, b"").await;
    assert_eq!(answer.status, 204);
    is_shut(&answer);
    assert_eq!(front.ask("OPTIONS /nothing", &preflight, b"").await.status, 404);
    for _ in 0..3 {
        let answer = front.ask("OPTIONS /limited/x", &preflight, b"").await;
        assert_eq!(answer.status, 204, "a preflight is not counted");
    }
}

#[tokio::test]
async fn without_a_policy_options_reach_the_handler() {
    let front = Front::of(vec![Route::service("/auth", crate::support::echo())]);
    let answer = front.ask("OPTIONS /auth/x", &[ALLOWED], b"").await;
    assert!(answer.body.starts_with("OPTIONS /x\n"), "{}", answer.body);
    assert_eq!(answer.header("vary"), None);
}

#[tokio::test]
async fn a_browser_may_open_a_websocket_from_allowed_pages_only() {
    let front = front();
    let upgrade = async |origin: Option<&str>| {
        let mut headers = String::from("connection: upgrade\r\nupgrade: websocket\r\n");
        if let Some(origin) = origin {
            headers.push_str(&format!("origin: {origin}\r\n"));
        }
        let mut connection = front.connect().await;
        connection
            .send(format!("GET /socket.io/ HTTP/1.1\r\nhost: test:3000\r\n{headers}\r\n"))
            .await;
        connection.answer().await.status
    };
    assert_eq!(upgrade(None).await, 101, "not a browser");
    assert_eq!(upgrade(Some("http://localhost:5173")).await, 101);
    assert_eq!(upgrade(Some("http://test:3000")).await, 101, "the site's own page");
    assert_eq!(upgrade(Some("http://test")).await, 403);
    assert_eq!(upgrade(Some("http://evil")).await, 403);
    assert_eq!(upgrade(Some("null")).await, 403);
}
