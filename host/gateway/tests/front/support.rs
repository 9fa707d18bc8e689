//! A gateway on a port of its own, handlers, and a client that shows raw bytes.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::calls::{Body, CallContext, CallError, HttpHandler};
use pingtalk_gateway::{Config, Gateway, OneSite, Route, Site, bind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// Longest that any step of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running gateway.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Front {
    pub(crate) fn start(config: Config, site: Site) -> Self {
        Self::serve(Gateway::new(config, Arc::new(OneSite(Arc::new(site)))))
    }

    pub(crate) fn serve(gateway: Gateway) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let served = tokio::spawn(gateway.clone().serve(listener, shutdown));
        Self { address, gateway, stop: Some(stop), served }
    }

    pub(crate) fn of(routes: Vec<Route>) -> Self {
        Self::start(Config::default(), Site::new(routes))
    }

    /// Asks it to end, without waiting.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) {
        timeout(PATIENCE, self.served).await.expect("it ends").unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends these bytes and reads to the end of the connection.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.rest().await
    }

    /// One request with `Connection: close`.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut connection = self.connect().await;
        let mut head = format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        connection.send(head).await;
        connection.send(body).await;
        Answer::parse(&connection.rest().await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], b"").await
    }
}

/// A client's connection.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The gateway may have closed already; what it said is still to be read.
        drop(timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await.expect("it is taken"));
    }

    /// Everything until the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("it closes").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// One response whose length is announced.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    Answer::parse(head).header("content-length").map_or(0, |l| l.parse().unwrap());
                if body.len() >= length {
                    return Answer::parse(&text);
                }
            }
            let mut buffer = [0; 4096];
            let count = timeout(PATIENCE, self.0.read(&mut buffer)).await.expect("data").unwrap();
            assert_ne!(count, 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
    }

    /// True when the gateway closes without another word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.0.read(&mut [0; 1])).await, Ok(Ok(0) | Err(_)))
    }
}

/// A parsed response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status: status.parse().unwrap(), headers, body: body.to_owned() }
    }

    /// A header's value; it must not stand there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} stands there twice");
        value
    }

    /// The message of an error, which must look like one.
    pub(crate) fn message(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        self.has_security_headers();
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["message"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn has_security_headers(&self) {
        assert_eq!(self.header("x-frame-options"), Some("DENY"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("x-xss-protection"), Some("1; mode=block"));
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert_eq!(self.header("server"), None);
        assert_eq!(self.header("x-powered-by"), None);
    }
}

/// A handler made of a function.
pub(crate) struct Handle<F>(F);

#[async_trait]
impl<F, R> HttpHandler for Handle<F>
where
    F: Fn(CallContext, Request<Body>) -> R + Send + Sync,
    R: Future<Output = Result<Response<Body>, CallError>> + Send,
{
    async fn handle(
        &self,
        context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        (self.0)(context, request).await
    }
}

pub(crate) fn handler<F, R>(function: F) -> Arc<dyn HttpHandler>
where
    F: Fn(CallContext, Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Body>, CallError>> + Send + 'static,
{
    Arc::new(Handle(function))
}

pub(crate) fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Body::new(Full::new(text.into()).map_err(|never| match never {})))
}

/// Tells what reached it: the request line, its headers, how long the body was and who asked.
pub(crate) fn echo() -> Arc<dyn HttpHandler> {
    handler(|context, request| async move {
        let mut told = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            told.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(|e| CallError::Failed(e.to_string().into()))?;
        told.push_str(&format!("body {}\n", body.to_bytes().len()));
        told.push_str(&format!("from {} {}\n", context.client.unwrap(), context.secure));
        Ok(text(told))
    })
}

/// Answers `text` to everything.
pub(crate) fn says(words: &'static str) -> Arc<dyn HttpHandler> {
    handler(move |_, _| async move { Ok(text(words)) })
}
