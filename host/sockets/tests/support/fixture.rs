//! What the official protocol suites expect of the server they run against: `/engine.io/` echoes,
//! `/socket.io/` tells the auth payload, sends messages back and acknowledges.

use std::{
    sync::{Arc, OnceLock, Weak},
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
use pingtalk_sockets::{
    Config, Namespace, SocketServer,
    transport::{Accept, Admissions, Consumer, Endpoint, Link, Outgoing, Settings, Text},
};

use super::serve::Answer;

/// The suites' settings.
pub fn config() -> Config {
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(1),
        allowed_origins: vec!["*".to_owned()],
        namespaces: vec![
            Namespace {
                name: "/".to_owned(),
                aliases: vec!["/chat".to_owned(), "/chat/".to_owned()],
            },
            Namespace { name: "/custom".to_owned(), aliases: Vec::new() },
        ],
        ..Config::default()
    }
}

/// Both servers.
pub struct Fixture {
    engine: Endpoint,
    sockets: Arc<SocketServer>,
}

impl Fixture {
    pub fn new(config: Config) -> Arc<Self> {
        let settings = Settings {
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            max_payload: config.max_payload,
            allowed_origins: config.allowed_origins.clone(),
            queue_packets: config.send_queue_packets,
            queue_bytes: config.send_queue_bytes,
        };
        let admissions = Arc::new(Admissions::new(10_000, 10_000));
        let sockets = SocketServer::new(config);
        sockets.serve(Arc::new(Suite { server: Arc::downgrade(&sockets) }));
        Arc::new(Self { engine: Endpoint::new(settings, admissions, Arc::new(Echo)), sockets })
    }
}

impl Fixture {
    /// Closes the Socket.IO connections so that clients come back.
    pub async fn drain(&self) {
        self.sockets.drain().await;
    }
}

#[async_trait::async_trait]
impl Answer for Fixture {
    async fn answer(&self, context: CallContext, request: Request<Body>) -> Response<Body> {
        if request.uri().path().starts_with("/engine.io") {
            return self.engine.handle(context, request).await;
        }
        match self.sockets.handle(context, request).await {
            Ok(response) => response,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends back whatever comes.
struct Echo;

struct EchoTo(OnceLock<Arc<Link>>);

impl Accept for Echo {
    fn open(&self, link: Arc<Link>) -> Arc<dyn Consumer> {
        Arc::new(EchoTo(OnceLock::from(link)))
    }
}

impl EchoTo {
    fn send(&self, message: Outgoing) {
        if let Some(link) = self.0.get() {
            let _ = link.send(message);
        }
    }
}

impl Consumer for EchoTo {
    fn text(&self, message: Text) {
        self.send(Outgoing::Text(message));
    }

    fn binary(&self, message: Bytes) {
        self.send(Outgoing::Binary(message));
    }

    fn closed(&self) {}
}

struct Suite {
    server: Weak<SocketServer>,
}

impl Suite {
    async fn emit(&self, socket: &str, name: &str, arguments: String, attachments: Vec<Bytes>) {
        let message = Message { name: name.to_owned(), arguments, attachments };
        if let Some(server) = self.server.upgrade() {
            let sent = server.emit(Target::Socket(socket.to_owned()), message, None, None).await;
            if let Err(error) = sent {
                panic!("{error}");
            }
        }
    }
}

#[async_trait::async_trait]
impl SocketHandler for Suite {
    async fn connect(
        &self,
        _: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        let auth = handshake.auth.unwrap_or_else(|| "{}".to_owned());
        self.emit(&handshake.socket, "auth", format!("[{auth}]"), Vec::new()).await;
        Ok(Ok(Session::default()))
    }

    async fn receive(
        &self,
        _: CallContext,
        socket: Socket,
        message: Message,
        _: bool,
    ) -> Result<Option<Ack>, CallError> {
        let Message { name, arguments, attachments } = message;
        if &*socket.namespace != "/" {
            return Ok(None);
        }
        match name.as_str() {
            "message" => {
                self.emit(&socket.id, "message-back", arguments, attachments).await;
                Ok(None)
            }
            "message-with-ack" => Ok(Some(Ack { arguments, attachments })),
            _ => Ok(None),
        }
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
