//! A server with a component that does as its clients say, and keeps a record of its calls.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, HttpHandler, SocketHandler},
    sockets::{
        Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket, Sockets, Target,
    },
};
use pingtalk_sockets::{Config, SocketServer, Stats};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle, time::sleep};

use super::{
    bus::Seat,
    client::Ws,
    serve::{Answer, serve},
};

/// Patient heartbeats, `/` only.
pub fn config() -> Config {
    Config { allowed_origins: vec!["http://good.test".to_owned()], ..Config::default() }
}

/// A server, its component and where it listens.
pub struct Stage {
    pub base: String,
    pub server: Arc<SocketServer>,
    pub component: Arc<Component>,
    task: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Route(Arc<SocketServer>);

#[async_trait::async_trait]
impl Answer for Route {
    async fn answer(&self, context: CallContext, request: Request<Body>) -> Response<Body> {
        self.0.handle(context, request).await.unwrap()
    }
}

impl Stage {
    pub async fn new(config: Config) -> Self {
        let server = SocketServer::new(config);
        let component = Arc::new(Component::new(&server));
        server.serve(component.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = serve(listener, Arc::new(Route(Arc::clone(&server))));
        Self { base, server, component, task }
    }

    /// A server that is one host of a cluster.
    pub async fn among_others(config: Config, seat: &Arc<Seat>) -> Self {
        let stage = Self::new(config).await;
        stage.server.join_cluster(Arc::clone(seat) as _).await;
        stage
    }

    /// A WebSocket before CONNECT.
    pub async fn open(&self) -> Ws {
        let mut ws =
            Ws::connect(&self.base, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.raw().await.starts_with('0'));
        ws
    }

    /// A connected socket and its id. `auth` is the component's script.
    pub async fn join(&self, auth: &str) -> (Ws, String) {
        let mut ws = self.open().await;
        ws.send(format!("40{auth}")).await;
        let answer = ws.text().await;
        let handshake: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
        (ws, handshake["sid"].as_str().unwrap().to_owned())
    }

    pub async fn emit(&self, target: Target, name: &str, number: Option<u64>) {
        self.server.emit(target, event(name, "[]"), number, None).await.unwrap();
    }

    /// Waits until the server's state is as wanted.
    pub async fn until(&self, wanted: impl Fn(Stats) -> bool) {
        for _ in 0..500 {
            if wanted(self.server.stats()) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("still {:?}", self.server.stats());
    }
}

pub fn event(name: &str, arguments: &str) -> Message {
    Message { name: name.to_owned(), arguments: arguments.to_owned(), attachments: Vec::new() }
}

pub fn room(name: &str) -> Target {
    Target::Room(name.to_owned())
}

pub fn socket(id: &str) -> Target {
    Target::Socket(id.to_owned())
}

/// Long enough for something wrong to arrive.
pub const QUIET: Duration = Duration::from_millis(80);

/// The names of the next events.
pub async fn events(ws: &mut Ws, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let text = ws.text().await;
        names.push(text.split('"').nth(1).unwrap().to_owned());
    }
    names
}

/// The component. What it does at connect is in the auth payload: `user`, `rooms`, `refuse`,
/// `data`, `fail`, `slow` (milliseconds), `attachment` (bytes). What it does with an event is its
/// name: `slow` (milliseconds as argument), `echo` (acks), `binary`, `fail`, `panic`, `bad-ack`.
pub struct Component {
    server: Weak<SocketServer>,
    record: Mutex<Vec<String>>,
    running: AtomicUsize,
    pub most_running: AtomicUsize,
    pub disconnects: std::sync::Mutex<Vec<(String, DisconnectReason)>>,
}

impl Component {
    fn new(server: &Arc<SocketServer>) -> Self {
        Self {
            server: Arc::downgrade(server),
            record: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            disconnects: std::sync::Mutex::default(),
        }
    }

    pub async fn record(&self) -> Vec<String> {
        self.record.lock().await.clone()
    }

    async fn note(&self, what: String) {
        self.record.lock().await.push(what);
    }
}

#[async_trait::async_trait]
impl SocketHandler for Component {
    async fn connect(
        &self,
        context: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        assert!(context.client.is_some());
        let script: Value =
            serde_json::from_str(handshake.auth.as_deref().unwrap_or("{}")).unwrap();
        if let Some(slow) = script["slow"].as_u64() {
            sleep(Duration::from_millis(slow)).await;
        }
        self.note(format!("connect {}", handshake.cookie.unwrap_or_default())).await;
        if script["fail"] == true {
            return Err(CallError::Failed(Arc::from("as asked")));
        }
        if let Some(message) = script["refuse"].as_str() {
            let data = script.get("data").map(Value::to_string);
            return Ok(Err(Refusal { message: message.to_owned(), data }));
        }
        let rooms = script["rooms"].as_array().into_iter().flatten();
        Ok(Ok(Session {
            user: script["user"].as_str().unwrap_or("nobody").to_owned(),
            attachment: Bytes::from(vec![7; script["attachment"].as_u64().unwrap_or(3) as usize]),
            rooms: rooms.map(|room| room.as_str().unwrap().to_owned()).collect(),
        }))
    }

    async fn receive(
        &self,
        _: CallContext,
        socket: Socket,
        message: Message,
        wants_ack: bool,
    ) -> Result<Option<Ack>, CallError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let arguments: Value = serde_json::from_str(&message.arguments).unwrap();
        self.note(format!("{} {}", message.name, message.arguments)).await;
        let result = match message.name.as_str() {
            "slow" => {
                sleep(Duration::from_millis(arguments[0].as_u64().unwrap_or(20))).await;
                Ok(None)
            }
            "echo" => {
                assert!(wants_ack);
                Ok(Some(Ack { arguments: message.arguments, attachments: message.attachments }))
            }
            "back" => {
                let server = self.server.upgrade().unwrap();
                server.emit(super::stage::socket(&socket.id), message, None, None).await.unwrap();
                Ok(None)
            }
            "bad-ack" => Ok(Some(Ack { arguments: "{".to_owned(), attachments: Vec::new() })),
            "fail" => Err(CallError::InstanceLost),
            "panic" => panic!("as asked"),
            _ => Ok(None),
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        result
    }

    async fn disconnect(
        &self,
        _: CallContext,
        socket: Socket,
        reason: DisconnectReason,
    ) -> Result<(), CallError> {
        self.note("disconnect".to_owned()).await;
        self.disconnects.lock().unwrap().push((socket.id.to_string(), reason));
        Ok(())
    }
}
