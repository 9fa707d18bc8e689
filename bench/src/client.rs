//! The load side: keep-alive HTTP connections, one request at a time on each, and latencies.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Sender = SendRequest<Full<Bytes>>;

/// Opens one connection.
pub(crate) async fn connect(address: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// True once the server answers anything at all to `GET /health`.
pub(crate) async fn answers(address: SocketAddr) -> bool {
    let Ok(mut sender) = connect(address).await else { return false };
    let Ok(request) = request(address, Method::GET, "/health", None, Bytes::new()) else {
        return false;
    };
    sender.send_request(request).await.is_ok()
}

fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    cookie: Option<&str>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>> {
    let mut builder =
        Request::builder().method(method).uri(path).header(header::HOST, address.to_string());
    if let Some(cookie) = cookie {
        builder = builder.header(header::COOKIE, cookie);
    }
    if !body.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    Ok(builder.body(Full::new(body))?)
}

/// One JSON call on a connection of its own.
pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    cookie: Option<&str>,
    body: &serde_json::Value,
) -> Result<(StatusCode, http::HeaderMap, serde_json::Value)> {
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut sender = connect(address).await?;
    let response = sender.send_request(request(address, method, path, cookie, bytes)?).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
    Ok((parts.status, parts.headers, json))
}

/// What a load measured.
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Measured {
    /// The latency below which `share` (0 to 1) of the requests stayed.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let index = (last as f64 * share) as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// GETs `path` over `connections` connections for `time`. Every answer must be 200.
pub(crate) async fn load(
    address: SocketAddr,
    path: &str,
    cookie: Option<&str>,
    connections: usize,
    time: Duration,
) -> Result<Measured> {
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (path, cookie, stop) = (path.to_owned(), cookie.map(str::to_owned), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let mut sender = connect(address).await?;
            let mut latencies = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                let request =
                    request(address, Method::GET, &path, cookie.as_deref(), Bytes::new())?;
                let mut response = sender.send_request(request).await?;
                ensure!(response.status() == StatusCode::OK, "{path}: {}", response.status());
                while let Some(frame) = response.frame().await {
                    frame?;
                }
                latencies.push(sent.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.context("a load task died")??);
    }
    latencies.sort_unstable();
    Ok(Measured { requests: latencies.len() as u64, elapsed: started.elapsed(), latencies })
}
