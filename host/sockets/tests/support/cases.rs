//! The Engine.IO cases that both protocol suites have, for any path.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    Server,
    client::{Ws, get, post, request},
};

pub const PING_INTERVAL: Duration = Duration::from_millis(300);
pub const PING_TIMEOUT: Duration = Duration::from_millis(200);

/// A server and the path of its endpoint.
pub struct Case {
    pub server: Server,
    pub path: &'static str,
}

impl Case {
    pub async fn new(path: &'static str) -> Self {
        Self { server: Server::start().await, path }
    }

    pub fn base(&self) -> &str {
        &self.server.base
    }

    pub fn polling(&self, sid: &str) -> String {
        format!("{}?EIO=4&transport=polling&sid={sid}", self.path)
    }

    pub fn websocket(&self) -> String {
        format!("{}?EIO=4&transport=websocket", self.path)
    }

    /// A long-polling session's id.
    pub async fn open(&self) -> String {
        let answer = get(self.base(), &format!("{}?EIO=4&transport=polling", self.path)).await;
        let open: Value = serde_json::from_str(&answer.text()[1..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    /// A WebSocket past the Engine.IO handshake.
    pub async fn open_websocket(&self) -> Ws {
        let mut ws = Ws::connect(self.base(), &self.websocket()).await.unwrap();
        assert!(ws.raw().await.starts_with('0'));
        ws
    }

    fn check_open(packet: &str, upgrades: &Value) {
        assert!(packet.starts_with('0'), "{packet}");
        let open: Value = serde_json::from_str(&packet[1..]).unwrap();
        let mut keys: Vec<_> = open.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
        assert!(open["sid"].is_string());
        assert_eq!(&open["upgrades"], upgrades);
        assert_eq!(open["pingInterval"], 300);
        assert_eq!(open["pingTimeout"], 200);
        assert_eq!(open["maxPayload"], 1_000_000);
    }

    pub async fn polling_opens(self) {
        let answer = get(self.base(), &format!("{}?EIO=4&transport=polling", self.path)).await;
        assert_eq!(answer.status, 200);
        Self::check_open(answer.text(), &serde_json::json!(["websocket"]));
    }

    /// The query is refused with 400 and this code.
    pub async fn polling_refuses(self, queries: [&str; 2], code: u32) {
        for query in queries {
            let answer = get(self.base(), &format!("{}?{query}", self.path)).await;
            assert_eq!(answer.status, 400, "{query}");
            assert_eq!(answer.headers["content-type"], "application/json");
            let error: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(error["code"], code, "{query}");
        }
    }

    pub async fn polling_refuses_methods(self) {
        for method in [Method::POST, Method::PUT] {
            let path = format!("{}?EIO=4&transport=polling", self.path);
            assert_eq!(request(self.base(), method, &path, &[], "").await.status, 400);
        }
    }

    pub async fn websocket_opens(self) {
        let mut ws = Ws::connect(self.base(), &self.websocket()).await.unwrap();
        Self::check_open(&ws.raw().await, &serde_json::json!([]));
    }

    pub async fn websocket_refuses(self, queries: [&str; 2]) {
        for query in queries {
            let refused = Ws::connect(self.base(), &format!("{}?{query}", self.path)).await;
            assert_eq!(refused.err().map(|status| status.as_u16()), Some(400), "{query}");
        }
    }

    pub async fn polling_heartbeat(self) {
        let sid = self.open().await;
        for _ in 0..3 {
            let ping = get(self.base(), &self.polling(&sid)).await;
            assert_eq!((ping.status.as_u16(), ping.text()), (200, "2"));
            assert_eq!(post(self.base(), &self.polling(&sid), "3").await.status, 200);
        }
    }

    pub async fn polling_heartbeat_missed(self) {
        let sid = self.open().await;
        sleep(PING_INTERVAL + PING_TIMEOUT + Duration::from_millis(100)).await;
        let late = get(self.base(), &self.polling(&sid)).await;
        assert_eq!(late.status, 400, "{}", late.text());
    }

    pub async fn websocket_heartbeat(self) {
        let mut ws = self.open_websocket().await;
        for _ in 0..3 {
            assert_eq!(ws.raw().await, "2");
            ws.send("3").await;
        }
    }

    pub async fn websocket_heartbeat_missed(self) {
        let mut ws = self.open_websocket().await;
        ws.until_closed().await;
    }

    pub async fn polling_close(self) {
        let sid = self.open().await;
        let path = self.polling(&sid);
        let (poll, closed) = tokio::join!(get(self.base(), &path), async {
            sleep(Duration::from_millis(20)).await;
            post(self.base(), &path, "1").await
        });
        assert_eq!(closed.status, 200);
        assert_eq!((poll.status.as_u16(), poll.text()), (200, "6"));
        assert_eq!(get(self.base(), &path).await.status, 400);
    }

    pub async fn websocket_close(self) {
        let mut ws = self.open_websocket().await;
        ws.send("1").await;
        ws.until_closed().await;
    }

    /// Probes; the session is about to move.
    pub async fn probe(&self, sid: &str) -> Ws {
        let path = format!("{}&sid={sid}", self.websocket());
        let mut ws = Ws::connect(self.base(), &path).await.unwrap();
        ws.send("2probe").await;
        assert_eq!(ws.raw().await, "3probe");
        ws
    }

    pub async fn upgrade_then_poll(self) {
        let sid = self.open().await;
        let mut ws = self.probe(&sid).await;
        ws.send("5").await;
        assert_eq!(get(self.base(), &self.polling(&sid)).await.status, 400);
        assert_eq!(ws.raw().await, "2");
    }

    pub async fn upgrade_twice(self) {
        let sid = self.open().await;
        let mut ws = self.probe(&sid).await;
        ws.send("5").await;
        let path = format!("{}&sid={sid}", self.websocket());
        let mut second = Ws::connect(self.base(), &path).await.unwrap();
        assert!(second.until_closed().await.is_empty());
        assert_eq!(ws.raw().await, "2");
    }
}

/// The cases as tests against one path.
#[macro_export]
macro_rules! engine_cases {
    ($path:literal: $($name:ident => $case:ident($($argument:expr),*);)*) => {$(
        #[tokio::test]
        async fn $name() {
            support::cases::Case::new($path).await.$case($($argument),*).await;
        }
    )*};
}
