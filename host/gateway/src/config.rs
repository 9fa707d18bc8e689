//! The gateway's bounds. Each has a default that suits a server on the open internet.

use std::time::Duration;

use crate::client::Cidr;

/// How the gateway treats connections and requests.
#[derive(Debug, Clone)]
pub struct Config {
    /// Connections at once, upgraded ones included; one more is answered 503 and closed.
    pub max_connections: usize,
    /// From the first byte of a request (or from accepting) to the end of its head. Over it: 408.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// Longest pause within a request's body. Over it: 408.
    pub body_idle_timeout: Duration,
    /// From the end of the head to the end of the body. Over it: 408.
    pub body_timeout: Duration,
    /// How long a client may refuse to take any byte of a response.
    pub write_timeout: Duration,
    /// From the first byte of a request over HTTP/2 to the last of its response.
    pub stream_timeout: Duration,
    /// How long what a refused client still sends is read and thrown away, so that it sees its
    /// answer rather than a reset.
    pub linger_timeout: Duration,
    /// How long a drain waits for requests in flight.
    pub drain_timeout: Duration,
    /// Request line and headers together, in bytes. Over it: 431.
    pub max_header_bytes: usize,
    /// Header lines. Over it: 431.
    pub max_headers: usize,
    /// Request target, in bytes. Over it: 414.
    pub max_uri_bytes: usize,
    /// Bytes of request bodies that the gateway holds at once, over all connections, before it
    /// calls their handlers: a slow upload must not occupy an instance. Beyond it bodies are
    /// streamed.
    pub body_buffer_bytes: usize,
    /// Peers whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<Cidr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            // A body, a handler's time or a long poll, and a slow reader.
            stream_timeout: Duration::from_secs(300),
            linger_timeout: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(20),
            max_header_bytes: 32 * 1024,
            max_headers: 100,
            max_uri_bytes: 8 * 1024,
            body_buffer_bytes: 128 * 1024 * 1024,
            trusted_proxies: Vec::new(),
        }
    }
}
