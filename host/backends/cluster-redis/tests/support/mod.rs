//! Hosts on a Redis, and a Redis that can be killed.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    cluster::{Body, Cluster, ClusterBackend, Notice, Received, Subscription},
};
use pingtalk_cluster_redis::{Config, RedisCluster};
use pingtalk_redis_connection::{self as connection, Redis};
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Everything happens within seconds.
pub fn quick() -> Config {
    Config {
        retention: Duration::from_secs(3),
        beat: Duration::from_millis(300),
        patience: Duration::from_millis(300),
        answer_timeout: Duration::from_millis(500),
        pauses: (Duration::from_millis(20), Duration::from_millis(100)),
        ..Config::default()
    }
}

/// One host.
pub struct Host {
    pub bus: Arc<dyn Cluster>,
    pub ears: Box<dyn Subscription>,
}

impl Host {
    pub async fn start(url: &str, tenant: &TenantId, config: Config) -> Self {
        let redis = Redis::new(connection::Config::new(url).unwrap());
        let bus = RedisCluster::new(redis, config).open(tenant).await.unwrap();
        let ears = bus.subscribe().await;
        Self { bus, ears }
    }

    pub async fn say(&self, text: &str) {
        say(&self.bus, text).await;
    }

    pub async fn next(&mut self) -> Received {
        timeout(PATIENCE, self.ears.next()).await.expect("nothing came")
    }

    /// The next notice's head.
    pub async fn hear(&mut self) -> String {
        match self.next().await {
            Received::Notice { head, .. } => text(&head),
            Received::Lost(reason) => panic!("lost: {reason}"),
        }
    }

    pub async fn hear_all(&mut self, count: usize) -> Vec<String> {
        let mut heard = Vec::with_capacity(count);
        while heard.len() < count {
            heard.push(self.hear().await);
        }
        heard
    }

    /// The next notice's head and body.
    pub async fn hear_body(&mut self) -> (String, Body, Option<Bytes>) {
        match self.next().await {
            Received::Notice { head, body } => {
                let bytes = self.ears.fetch(body.clone()).await;
                (text(&head), body, bytes)
            }
            Received::Lost(reason) => panic!("lost: {reason}"),
        }
    }

    /// What comes before a loss, and why that was.
    pub async fn until_lost(&mut self) -> (Vec<String>, String) {
        let mut heard = Vec::new();
        loop {
            match self.next().await {
                Received::Notice { head, .. } => heard.push(text(&head)),
                Received::Lost(reason) => return (heard, reason.to_string()),
            }
        }
    }

    pub async fn until_connected(&self, connected: bool) {
        let until = Instant::now() + PATIENCE;
        while self.bus.stats().connected != connected {
            assert!(Instant::now() < until, "still {:?}", self.bus.stats());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

pub async fn say(bus: &Arc<dyn Cluster>, text: &str) {
    let (head, body) = (Bytes::from(text.to_owned()), Bytes::from_static(b"body"));
    bus.publish(Notice { head, body }).await;
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn names(prefix: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("{prefix}{number}")).collect()
}

/// A command to Redis by the test itself.
pub async fn ask<T: redis::FromRedisValue>(url: &str, parts: &[&str]) -> T {
    let redis = Redis::new(connection::Config::new(url).unwrap());
    let mut connection = redis.dedicated().await.unwrap();
    let mut command = redis::cmd(parts[0]);
    for part in &parts[1..] {
        command.arg(*part);
    }
    command.query_async(&mut *connection).await.unwrap()
}

/// A Redis of the test's own. It ends with its value.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub async fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(port, folder).await
    }

    pub async fn start_at(port: u16, folder: &Path) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .expect("needs redis-server, from Debian's package of that name");
        let server = Self { child, port };
        let redis = Redis::new(connection::Config::new(&server.url()).unwrap());
        let until = Instant::now() + PATIENCE;
        while redis.dedicated().await.is_err() {
            assert!(Instant::now() < until, "redis-server does not start");
            sleep(Duration::from_millis(10)).await;
        }
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// It dies without a word; its port.
    pub fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }

    /// It keeps its data in its folder; its port.
    pub async fn stop(mut self) -> u16 {
        let _: String = ask(&self.url(), &["SAVE"]).await;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
