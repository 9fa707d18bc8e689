//! One connection from accepting to closing.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderValue;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    errors,
    gateway::Gateway,
    h2,
    metrics::Metrics,
    phase::{Overdue, Phase},
    request, tls,
    transport::Transport,
};

/// How long an answer to a client that is being cut off may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What all connections of a listener are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Serve,
    /// Finish the request in hand, then close.
    Drain,
    /// Close.
    Stop,
}

/// One of the connections there may be at once.
pub(crate) struct Slot(Arc<Metrics>);

impl Slot {
    pub(crate) fn take(metrics: &Arc<Metrics>, limit: usize) -> Option<Self> {
        let slot = Self(Arc::clone(metrics));
        let before = metrics.connections.fetch_add(1, Relaxed);
        (before < limit as u64).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// What a request needs to know of its connection. Requests share this rather than the gateway's
/// own parts, whose reference counts all cores would fight over.
pub(crate) struct Link {
    pub(crate) gateway: Gateway,
    pub(crate) peer: IpAddr,
    /// The peer as a header, for the common case that it is the client.
    pub(crate) peer_header: HeaderValue,
    pub(crate) phase: Arc<Phase>,
    /// Requests whose response has not ended. HTTP/2 has several at once.
    pub(crate) in_flight: AtomicU32,
    /// The peer came over TLS.
    pub(crate) secure: bool,
}

/// The protocol settings of all connections.
pub(crate) fn protocol(gateway: &Gateway) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        // Our own clock tells a slow head from an idle connection; hyper's can't.
        .header_read_timeout(None)
        .max_headers(gateway.config.max_headers)
        .max_header_size(gateway.config.max_header_bytes)
        .max_buf_size((gateway.config.max_header_bytes * 2).max(16 * 1024));
    protocol
}

/// Serves a connection until one side ends it; over TLS after the handshake.
pub(crate) async fn run(
    gateway: Gateway,
    protocol: Arc<http1::Builder>,
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
    mut signal: watch::Receiver<Signal>,
) {
    let tls = gateway.tls.clone();
    let address = peer.ip().to_canonical();
    let link = Arc::new(Link {
        peer: address,
        peer_header: request::address_header(address),
        phase: Arc::new(Phase::new()),
        in_flight: AtomicU32::new(0),
        secure: tls.is_some(),
        gateway,
    });
    let Some(tls) = tls else {
        return http1(link, protocol, stream, peer, slot, signal).await;
    };
    let handshake = timeout(link.gateway.config.header_timeout, tls.accept(stream));
    let shaken = tokio::select! {
        biased;
        shaken = handshake => shaken,
        // Who has not said yet what it wants loses nothing.
        _ = signal.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) if tls::is_h2(&stream) => {
            h2::run(link, stream, peer, signal).await;
            drop(slot);
        }
        Ok(Ok(stream)) => http1(link, protocol, stream, peer, slot, signal).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => {
            Metrics::count(&link.gateway.metrics.overdue);
            tracing::debug!(%peer, "a TLS handshake took too long");
        }
    }
}

/// Serves a connection that speaks HTTP/1.
async fn http1<S>(
    link: Arc<Link>,
    protocol: Arc<http1::Builder>,
    stream: S,
    peer: SocketAddr,
    slot: Slot,
    mut signal: watch::Receiver<Signal>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = Arc::clone(&link.gateway.config);
    let metrics = Arc::clone(&link.gateway.metrics);
    let phase = Arc::clone(&link.phase);
    let transport = TokioIo::new(Transport::new(stream, Arc::clone(&phase), slot));
    let service = service_fn(move |request: Request<Incoming>| {
        let link = Arc::clone(&link);
        async move { Ok::<_, Infallible>(request::answer(link, request).await) }
    });
    let mut connection = protocol.serve_connection(transport, service).with_upgrades();
    let mut alarm = pin!(sleep(config.header_timeout));
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "a connection failed");
                }
                return;
            }
            () = &mut alarm => match phase.check(&config) {
                Ok(again) => alarm.as_mut().reset(Instant::now() + again),
                Err(overdue) => {
                    Metrics::count(&metrics.overdue);
                    tracing::debug!(%peer, ?overdue, "a connection took too long");
                    if overdue == Overdue::Head
                        && let Some(parts) = connection.into_parts()
                        && !parts.read_buf.is_empty()
                    {
                        let mut transport = parts.io.into_inner();
                        say_timed_out(transport.stream()).await;
                    }
                    return;
                }
            },
            changed = signal.changed() => {
                let signal = *signal.borrow_and_update();
                if changed.is_err() || signal == Signal::Stop {
                    return;
                }
                if signal == Signal::Drain {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    }
}

/// Part of a head arrived and then no more: 408 (RFC 9110, section 15.5.9).
async fn say_timed_out(stream: &mut (impl AsyncWrite + Unpin)) {
    let words = errors::REQUEST_TIMEOUT.raw();
    // Whoever can't take these few bytes does not want them.
    let _ = timeout(LAST_WORDS, async {
        stream.write_all(&words).await?;
        stream.shutdown().await
    })
    .await;
}
