//! Accepting connections, and ending in good order.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::server::conn::http1;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    connection::{self, Signal, Slot},
    errors,
    gateway::Gateway,
    metrics::Metrics,
};

/// First and longest pause after a failed `accept`.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How long connections that were told to stop may take to notice.
const STOPPING: Duration = Duration::from_secs(1);

impl Gateway {
    /// Serves a listener (non-blocking, from [`crate::bind`]) on the current thread's runtime until
    /// `shutdown` completes; then takes no more connections, lets requests in flight finish within
    /// [`crate::Config::drain_timeout`], and returns. Upgraded connections are their handler's to
    /// close.
    ///
    /// # Errors
    /// When the runtime can't take the listener. Never later.
    pub async fn serve(
        self,
        listener: StdListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let protocol = Arc::new(connection::protocol(&self));
        let (signal, _) = watch::channel(Signal::Serve);
        let mut shutdown = pin!(shutdown);
        let mut pause = PAUSES.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSES.0;
                    self.take(stream, peer, &protocol, &signal);
                }
                Err(error) if concerns_one_connection(&error) => {
                    Metrics::count(&self.metrics.accept_errors);
                }
                Err(error) => {
                    // Out of file handles or memory, most likely: wait for some to come back.
                    Metrics::count(&self.metrics.accept_errors);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "can't accept connections");
                    tokio::select! {
                        biased;
                        () = &mut shutdown => break,
                        () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                    }
                }
            }
        }
        drop(listener);
        // A channel without receivers is one whose connections are all closed.
        signal.send_replace(Signal::Drain);
        if timeout(self.config.drain_timeout, signal.closed()).await.is_err() {
            let left = signal.receiver_count();
            tracing::warn!(connections = left, "the drain's time is up, closing what is left");
            signal.send_replace(Signal::Stop);
            // A connection notices at its next poll, which the signal causes.
            let _ = timeout(STOPPING, signal.closed()).await;
        }
        Ok(())
    }

    fn take(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        protocol: &Arc<http1::Builder>,
        signal: &watch::Sender<Signal>,
    ) {
        Metrics::count(&self.metrics.accepted);
        let Some(slot) = Slot::take(&self.metrics, self.config.max_connections) else {
            Metrics::count(&self.metrics.refused);
            tracing::debug!(%peer, "too many connections");
            // The buffer of a fresh socket has room; if not, the client learns nothing but the end.
            let _ = stream.try_write(&errors::TOO_MANY_CONNECTIONS.raw());
            return;
        };
        // Otherwise the end of a response may wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "can't set TCP_NODELAY");
        }
        tokio::spawn(connection::run(
            self.clone(),
            Arc::clone(protocol),
            stream,
            peer,
            slot,
            signal.subscribe(),
        ));
    }
}

/// The client went away before it was accepted; the listener is fine.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
