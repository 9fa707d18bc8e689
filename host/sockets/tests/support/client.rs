//! Bare clients: requests by hand and WebSockets without any Socket.IO in them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One request on a connection of its own, which closes when the future is dropped.
pub async fn request(
    base: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let authority = base.trim_start_matches("http://");
    let (authority, prefix) = match authority.split_once('/') {
        Some((authority, prefix)) => (authority, format!("/{}", prefix.trim_end_matches('/'))),
        None => (authority, String::new()),
    };
    let stream = TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let mut request =
        Request::builder().method(method).uri(format!("{prefix}{path}")).header("host", authority);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub async fn get(base: &str, path: &str) -> Answer {
    request(base, Method::GET, path, &[], "").await
}

pub async fn post(base: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    request(base, Method::POST, path, &[], body).await
}

/// A WebSocket.
pub struct Ws(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    /// Connects, or tells the status of the refusal.
    pub async fn connect(base: &str, path: &str) -> Result<Self, StatusCode> {
        Self::connect_with(base, path, &[]).await
    }

    pub async fn connect_with(
        base: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, StatusCode> {
        let url = format!("{}{path}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match timeout(PATIENCE, connect_async(request)).await.unwrap() {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    pub async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next message; None when the connection is closed.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing came")? {
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => return Some(message),
            }
        }
    }

    /// The next text, heartbeats included.
    pub async fn raw(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?} where text was due"),
        }
    }

    /// The next text that is no heartbeat; heartbeats are answered.
    pub async fn text(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.raw().await.as_str() {
                "2" => self.send("3").await,
                text => return text.to_owned(),
            }
            assert!(Instant::now() < until, "nothing but heartbeats came");
        }
    }

    pub async fn binary(&mut self) -> Bytes {
        loop {
            match self.next().await {
                Some(Message::Binary(bytes)) => return bytes,
                Some(Message::Text(text)) if text == "2" => self.send("3").await,
                other => panic!("{other:?} where bytes were due"),
            }
        }
    }

    /// Reads until the server closes, without answering heartbeats; what came until then.
    pub async fn until_closed(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(message) = self.next().await {
            seen.push(message.to_string());
        }
        seen
    }

    /// Nothing but heartbeats comes for this long.
    pub async fn silent_for(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(message) = tokio::time::timeout_at(until, self.0.next()).await {
            match message {
                Some(Ok(Message::Text(text))) if text == "2" => self.send("3").await,
                other => panic!("{other:?} where silence was due"),
            }
        }
    }
}
