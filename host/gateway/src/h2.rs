//! A connection that speaks HTTP/2 (RFC 9113), agreed on in the TLS handshake.
//!
//! What HTTP/1 bounds by the connection is bounded by the stream here: how many there are at once,
//! how large their heads are, how long one may take. A peer that resets streams as fast as it opens
//! them is ended by hyper (CVE-2023-44487). WebSockets stay with HTTP/1.1: the extended CONNECT of
//! RFC 8441 is not offered, so browsers open a connection of their own for them.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hyper::{Request, body::Incoming, rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{interval, timeout},
};
use tokio_rustls::server::TlsStream;

use crate::{
    config::Config,
    connection::{Link, Signal},
    metrics::Metrics,
    request,
};

/// Streams at once on one connection: what RFC 9113 (section 6.5.2) names as the least that leaves
/// parallelism whole.
const MAX_STREAMS: u32 = 100;
/// Between two pings of a quiet connection, and how long the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(20));
/// How often an unused connection is looked at within its idle time.
const LOOKS: u32 = 5;

/// Runs streams, none for longer than a bound: a client that opens its window for no byte would
/// otherwise keep its response, and all it holds, for ever.
#[derive(Clone)]
struct Streams(Duration);

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        // Dropping the future resets the stream.
        tokio::spawn(timeout(self.0, stream));
    }
}

fn protocol(config: &Config) -> http2::Builder<Streams> {
    let mut protocol = http2::Builder::new(Streams(config.stream_timeout));
    let head = u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX);
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(head)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    protocol
}

/// Serves a connection until one side ends it.
pub(crate) async fn run(
    link: Arc<Link>,
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    mut signal: watch::Receiver<Signal>,
) {
    let config = Arc::clone(&link.gateway.config);
    let streams = Arc::clone(&link);
    let service = service_fn(move |request: Request<Incoming>| {
        let link = Arc::clone(&link);
        async move { Ok::<_, Infallible>(request::answer(link, request).await) }
    });
    let connection = protocol(&config).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut look = interval(config.idle_timeout / LOOKS);
    let mut unused = 0;
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "a connection failed");
                }
                return;
            }
            _ = look.tick() => {
                unused = if streams.in_flight.load(Relaxed) > 0 { 0 } else { unused + 1 };
                // The first tick comes at once, the last look is for those who ignore the goodbye.
                if unused == LOOKS + 1 {
                    connection.as_mut().graceful_shutdown();
                } else if unused > LOOKS + 1 {
                    Metrics::count(&streams.gateway.metrics.overdue);
                    return;
                }
            }
            changed = signal.changed() => {
                let signal = *signal.borrow_and_update();
                if changed.is_err() || signal == Signal::Stop {
                    return;
                }
                if signal == Signal::Drain {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
