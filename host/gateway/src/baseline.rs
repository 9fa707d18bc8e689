//! Plain hyper with nothing around it: what the gateway's cost is measured against, in the same
//! run and on the same runtime.

use std::{convert::Infallible, future::Future, io, net::TcpListener as StdListener, pin::pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Answers every request with 200 and `body`, until `shutdown` completes.
///
/// # Errors
/// When the runtime can't take the listener.
pub async fn serve(
    listener: StdListener,
    body: &'static [u8],
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        // A measurement's connections come from the measurement; whatever fails is not one.
        let Ok((stream, _)) = accepted else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(body))))
            });
            let connection = http1::Builder::new()
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service);
            // The client closes when it is done.
            let _ = connection.await;
        });
    }
}
