//! Measures what one delivered message costs this server in CPU time, beside a bare
//! `engineioxide` loop that emits to the same clients, in one run:
//!
//!     cargo run --release -p pingtalk-sockets --example fan_out
//!
//! Clients are a second process (this one with `clients URL COUNT`), so that their work is not
//! counted. Figures are of user and system time as Linux counts them for this process.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/support/serve.rs"]
mod serve;

use std::{
    convert::Infallible,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use engineioxide::{
    DisconnectReason as Reason, Socket as EngineSocket, Str, config::EngineIoConfig,
    handler::EngineIoHandler, service::EngineIoService,
};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, HttpHandler, SocketHandler},
    sockets::{
        Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket, Sockets, Target,
    },
};
use pingtalk_sockets::{Config, SocketServer};
use tokio::{net::TcpListener, time::sleep};
use tokio_tungstenite::{connect_async, tungstenite};

/// The size of a chat message.
const PAYLOAD: usize = 200;
const DELIVERIES: usize = 200_000;

struct Quiet;

#[async_trait::async_trait]
impl SocketHandler for Quiet {
    async fn connect(
        &self,
        _: CallContext,
        _: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        Ok(Ok(Session { rooms: vec!["all".to_owned()], ..Session::default() }))
    }

    async fn receive(
        &self,
        _: CallContext,
        _: Socket,
        _: Message,
        _: bool,
    ) -> Result<Option<Ack>, CallError> {
        Ok(None)
    }

    async fn disconnect(
        &self,
        _: CallContext,
        _: Socket,
        _: DisconnectReason,
    ) -> Result<(), CallError> {
        Ok(())
    }
}

struct Route(Arc<SocketServer>);

#[async_trait::async_trait]
impl serve::Answer for Route {
    async fn answer(&self, context: CallContext, request: Request<Body>) -> Response<Body> {
        self.0.handle(context, request).await.unwrap()
    }
}

/// Keeps its sockets, nothing more.
#[derive(Default)]
struct Bare(Mutex<Vec<Arc<EngineSocket<()>>>>);

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bare")
    }
}

impl EngineIoHandler for Bare {
    type Data = ();
    fn on_connect(self: Arc<Self>, socket: Arc<EngineSocket<()>>) {
        self.0.lock().unwrap().push(socket);
    }
    fn on_disconnect(&self, _: Arc<EngineSocket<()>>, _: Reason) {}
    fn on_message(self: &Arc<Self>, _: Str, _: Arc<EngineSocket<()>>) {}
    fn on_binary(self: &Arc<Self>, _: Bytes, _: Arc<EngineSocket<()>>) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.get(1).map(String::as_str) {
        Some("clients") => {
            runtime.block_on(clients(&arguments[2], arguments[3].parse().unwrap()));
        }
        _ => runtime.block_on(measure()),
    }
}

/// Connects, then reads and answers heartbeats until killed.
async fn clients(url: &str, count: usize) {
    for _ in 0..count {
        let (mut ws, _) = connect_async(url).await.unwrap();
        ws.send(tungstenite::Message::text("40")).await.unwrap();
        tokio::spawn(async move {
            while let Some(Ok(message)) = ws.next().await {
                if message.to_text().is_ok_and(|text| text == "2") {
                    let _ = ws.send(tungstenite::Message::text("3")).await;
                }
            }
        });
    }
    sleep(Duration::from_secs(600)).await;
}

struct Clients(std::process::Child);

impl Clients {
    fn start(address: std::net::SocketAddr, count: usize) -> Self {
        let url = format!("ws://{address}/engine.io/?EIO=4&transport=websocket");
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let command = command.args(["clients", &url, &count.to_string()]);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This process's CPU time. /proc/self/stat counts in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

async fn measure() {
    println!("fan-out   bare us   ours us   ratio   (CPU time for each delivered message)");
    for fan_out in [100, 1000] {
        let (mut bare, mut ours) = (Duration::ZERO, Duration::ZERO);
        // In turns, so that a busy machine is as bad for one as for the other.
        for _ in 0..2 {
            bare += measure_bare(fan_out).await;
            ours += measure_ours(fan_out).await;
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / (2 * DELIVERIES) as f64;
        let (bare, ours) = (each(bare), each(ours));
        println!("{fan_out:>7} {bare:>9.2} {ours:>9.2} {:>7.2}", ours / bare);
    }
}

/// Emits so often that the deliveries are as many, with pauses in which they are written.
async fn rounds(fan_out: usize, mut emit: impl AsyncFnMut(u64)) -> Duration {
    sleep(Duration::from_secs(1)).await;
    let pause = Duration::from_micros(fan_out as u64 * 20);
    let (before, started) = (cpu(), Instant::now());
    for number in 0..(DELIVERIES / fan_out) as u64 {
        emit(number).await;
        sleep(pause).await;
    }
    sleep(Duration::from_millis(500)).await;
    assert!(started.elapsed() < Duration::from_secs(60));
    cpu() - before
}

async fn measure_ours(fan_out: usize) -> Duration {
    let server = SocketServer::new(Config::default());
    server.serve(Arc::new(Quiet));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve::serve(listener, Arc::new(Route(Arc::clone(&server))));
    let _clients = Clients::start(address, fan_out);
    while server.stats().sockets < fan_out {
        sleep(Duration::from_millis(20)).await;
    }
    let arguments = format!("[\"{}\"]", "x".repeat(PAYLOAD));
    let time = rounds(fan_out, async |number| {
        let message = Message {
            name: "receiveMessage".to_owned(),
            arguments: arguments.clone(),
            attachments: Vec::new(),
        };
        server.emit(Target::Room("all".to_owned()), message, Some(number), None).await.unwrap();
    })
    .await;
    assert_eq!((server.stats().sockets, server.stats().queued_bytes), (fan_out, 0));
    serving.abort();
    time
}

async fn measure_bare(fan_out: usize) -> Duration {
    let handler = Arc::new(Bare::default());
    let service = EngineIoService::with_config(Arc::clone(&handler), EngineIoConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(connection.with_upgrades());
        }
        Ok::<_, Infallible>(())
    });
    let _clients = Clients::start(address, fan_out);
    while handler.0.lock().unwrap().len() < fan_out {
        sleep(Duration::from_millis(20)).await;
    }
    let text = Str::from(format!("2[\"receiveMessage\",\"{}\"]", "x".repeat(PAYLOAD)));
    let time = rounds(fan_out, async |_| {
        for socket in handler.0.lock().unwrap().iter() {
            socket.emit(text.clone()).unwrap();
        }
    })
    .await;
    serving.abort();
    time
}
