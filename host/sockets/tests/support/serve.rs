//! A listener in front of anything that answers requests.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::{
    calls::{Body, BodyError, CallContext},
    trace::Trace,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Answers requests; which path is whose is up to it.
#[async_trait::async_trait]
pub trait Answer: Send + Sync + 'static {
    async fn answer(&self, context: CallContext, request: Request<Body>) -> Response<Body>;
}

/// Serves connections until dropped or aborted.
pub fn serve(listener: TcpListener, answer: Arc<dyn Answer>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((stream, client)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let request = request.map(|body| {
                        body.map_err(|error| BodyError::Aborted(Arc::from(error.to_string())))
                            .boxed_unsync()
                    });
                    Ok::<_, std::convert::Infallible>(answer.answer(context(client), request).await)
                }
            });
            tokio::spawn(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades(),
            );
        }
    })
}

fn context(client: SocketAddr) -> CallContext {
    CallContext {
        request_id: Arc::from("test"),
        client: Some(client.ip()),
        secure: false,
        deadline: Instant::now() + std::time::Duration::from_secs(30),
        trace: Trace::default(),
    }
}
