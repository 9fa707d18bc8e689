//! What a component costs: CPU time a request of the hello guest behind a plain hyper server,
//! against the same server answering by itself, measured in one run.
//!
//! `cargo run --release -p pingtalk-runtime --example ratio -- guest_hello.wasm`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::{
    TenantId,
    calls::{Body, BodyError, CallContext, HttpHandler as _},
    trace::Trace,
};
use pingtalk_runtime::{
    Capabilities, Engine, EngineConfig, Instances, Limits, Names, Pace, enter_core,
};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 64;
const REQUESTS: usize = 60_000;
const ROUNDS: usize = 3;

fn main() {
    let file = std::env::args().nth(1).expect("the path of guest_hello.wasm");
    let component = Bytes::from(fs::read(file).unwrap());
    let (plain, plain_cpu) = serve(None);
    let (guest, guest_cpu) = serve(Some(component));
    for round in 0..ROUNDS {
        let plain = measure(plain, &plain_cpu);
        let guest = measure(guest, &guest_cpu);
        println!(
            "round {round}: plain {:.1} us, guest {:.1} us of CPU a request: {:.2} times; \
             {:.0} and {:.0} requests a second",
            plain.0,
            guest.0,
            guest.0 / plain.0,
            plain.1,
            guest.1
        );
    }
}

/// Asks the server's thread for its CPU time.
type Cpu = mpsc::Sender<mpsc::Sender<u64>>;

/// A server on a thread of its own.
fn serve(component: Option<Bytes>) -> (SocketAddr, Cpu) {
    let (ready, started) = mpsc::channel();
    let (cpu, asked) = mpsc::channel::<mpsc::Sender<u64>>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let instances = match component {
                Some(component) => Some(start(component).await),
                None => None,
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            tokio::spawn(async move {
                loop {
                    while let Ok(reply) = asked.try_recv() {
                        reply.send(cpu_nanos()).unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let instances = instances.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(instances.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
    });
    (started.recv().unwrap(), cpu)
}

async fn start(component: Bytes) -> Arc<Instances> {
    enter_core(0);
    let engine = Engine::new(EngineConfig { cores: 1, ..EngineConfig::default() }).unwrap();
    let component = engine.load("hello", component, Pace::Eager, &|_| {}).await.unwrap();
    let names = Names {
        tenant: TenantId::default_tenant(),
        component: "hello".into(),
        release: "1".into(),
    };
    Instances::new(&engine, component, names, Capabilities::default(), Limits::default()).unwrap()
}

async fn answer(
    instances: Option<Arc<Instances>>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    let Some(instances) = instances else {
        let body = Full::new(Bytes::from_static(b"Hello, world!\n"));
        let response = http::Response::builder().header("content-type", "text/plain");
        return Ok(response.body(Body::new(body.map_err(|never| match never {}))).unwrap());
    };
    let context = CallContext {
        request_id: "r".into(),
        client: None,
        secure: false,
        deadline: Instant::now() + Duration::from_secs(30),
        trace: Trace::default(),
    };
    let request = request
        .map(|body| Body::new(body.map_err(|error| BodyError::Aborted(error.to_string().into()))));
    Ok(instances.handle(context, request).await.unwrap())
}

/// CPU time of this thread in nanoseconds: the first field of `schedstat` (proc(5)).
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Microseconds of CPU a request, and requests a second.
fn measure(server: SocketAddr, cpu: &Cpu) -> (f64, f64) {
    let ask = || {
        let (sender, receiver) = mpsc::channel();
        cpu.send(sender).unwrap();
        receiver.recv().unwrap()
    };
    load(server, REQUESTS / 10);
    let (before, started) = (ask(), Instant::now());
    load(server, REQUESTS);
    let (took, used) = (started.elapsed(), ask() - before);
    (used as f64 / 1e3 / REQUESTS as f64, REQUESTS as f64 / took.as_secs_f64())
}

fn load(server: SocketAddr, requests: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let clients = (0..CONNECTIONS).map(|_| {
            tokio::spawn(async move {
                let stream = TcpStream::connect(server).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                for _ in 0..requests / CONNECTIONS {
                    let body = http_body_util::Empty::<Bytes>::new();
                    let request = http::Request::get("/").header("host", "hello.test");
                    sender.ready().await.unwrap();
                    let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
                    assert_eq!(response.status(), 200);
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    assert_eq!(body.len(), 14);
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    });
}
