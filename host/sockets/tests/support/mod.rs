//! What the protocol tests share. With `BASE_URL` set (such as `http://127.0.0.1:3000`) they run
//! against a server that is there already and behaves as `fixture` does; else each starts one.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod bus;
pub mod cases;
pub mod client;
pub mod fixture;
pub mod serve;
pub mod stage;

use tokio::{net::TcpListener, task::JoinHandle};

/// A server to test, and where it is.
pub struct Server {
    pub base: String,
    task: Option<JoinHandle<()>>,
}

impl Server {
    pub async fn start() -> Self {
        if let Ok(base) = std::env::var("BASE_URL") {
            return Self { base: base.trim_end_matches('/').to_owned(), task: None };
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = serve::serve(listener, fixture::Fixture::new(fixture::config()));
        Self { base, task: Some(task) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
