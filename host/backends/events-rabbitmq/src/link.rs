//! One connection to the broker, kept by a task of its own.
//!
//! The task connects, waits until the connection breaks, says so, and tries again after growing
//! pauses. Callers never wait for a broker that is known to be away: they get the reason at once. The
//! driver could recover connections and replay topology by itself; we don't let it, because its calls
//! would then hang for as long as the broker is away, and what it replays is what it remembers, not
//! what is declared.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use lapin::{
    Channel, Connection, ConnectionProperties, Event,
    uri::{AMQPScheme, AMQPUri},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    Config,
    error::{Error, code},
};

/// First pause before connecting again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Short enough that a broker that came back is used again within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A connection that lived this long was a good one: the pauses start over.
const GOOD: Duration = Duration::from_secs(5);
/// How often the connection's state is looked at, in case a change of it was not announced.
const LOOK: Duration = Duration::from_secs(1);

/// Most bytes read of what a broker says first; it is under a kilobyte.
const MAX_GREETING: u32 = 16 * 1024;

/// A connection that is there, or why it is not.
#[derive(Clone)]
enum State {
    Connecting,
    Up(Up),
    Down(String),
}

/// A connection in use.
#[derive(Clone)]
pub(crate) struct Up {
    pub(crate) connection: Arc<Connection>,
    /// Different for each connection, and never 0.
    pub(crate) generation: u64,
}

/// The way to the broker. The connection lives for as long as somebody holds its link.
pub(crate) struct Link {
    state: watch::Receiver<State>,
    config: Config,
}

impl Link {
    /// Starts connecting, on the current runtime, which must outlive the link.
    pub(crate) fn start(config: &Config, purpose: &'static str) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        tokio::spawn(keep(config.clone(), purpose, sender));
        Self { state, config: config.clone() }
    }

    /// The connection. Fails at once when the broker is known to be away, or to take nothing.
    pub(crate) async fn up(&self) -> Result<Up, Error> {
        let mut state = self.state.clone();
        let wait = async {
            loop {
                match &*state.borrow_and_update() {
                    State::Up(up)
                        if up.connection.status().connected()
                            && up.connection.status().blocked() =>
                    {
                        // It has published, so nothing on it gets through: not even the wait is
                        // worth it.
                        let text = "the broker is short of memory or disk and takes nothing";
                        return Err(Error::away(text));
                    }
                    State::Up(up) if up.connection.status().connected() => return Ok(up.clone()),
                    State::Down(reason) => return Err(Error::away(reason.clone())),
                    // The keeper is about to notice or to finish.
                    State::Up(_) | State::Connecting => {}
                }
                if state.changed().await.is_err() {
                    return Err(Error::away("the connection's task has stopped"));
                }
            }
        };
        let patience = self.config.connect_timeout + LOOK;
        timeout(patience, wait).await.unwrap_or_else(|_| Err(Error::too_slow(patience)))
    }

    /// Resolves once there is a connection, or a reason other than the one that was known; never
    /// before `pause` is over.
    pub(crate) async fn changed(&self, pause: Duration) {
        let mut state = self.state.clone();
        sleep(pause).await;
        if !matches!(*state.borrow_and_update(), State::Up(_)) {
            drop(timeout(LONGEST_PAUSE, state.changed()).await);
        }
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Error> {
        let up = self.up().await?;
        self.bounded(up.connection.create_channel()).await
    }

    /// Waits for one call to the broker, within the time that calls may take.
    pub(crate) async fn bounded<T>(
        &self,
        call: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Error> {
        Ok(self.answer(call).await??)
    }

    /// Waits for an answer, within the time that calls may take and for no longer than the
    /// connection lives: the driver may never finish a call that its connection's end overtook.
    pub(crate) async fn answer<T>(&self, call: impl Future<Output = T>) -> Result<T, Error> {
        let patience = self.config.call_timeout;
        let mut state = self.state.clone();
        let generation = match &*state.borrow() {
            State::Up(up) => up.generation,
            State::Down(reason) => return Err(Error::away(reason.clone())),
            State::Connecting => return Err(Error::away("not connected yet")),
        };
        let lost = state.wait_for(|state| match state {
            State::Up(up) => up.generation != generation,
            State::Connecting | State::Down(_) => true,
        });
        tokio::select! {
            biased;
            answer = timeout(patience, call) => answer.map_err(|_| Error::too_slow(patience)),
            state = lost => Err(match state.as_deref() {
                Ok(State::Down(reason)) => Error::away(reason.clone()),
                _ => Error::away("the connection was lost"),
            }),
        }
    }
}

/// Connects again and again until nobody wants the connection.
async fn keep(config: Config, purpose: &'static str, state: watch::Sender<State>) {
    let (mut pause, mut generation, mut hung) = (FIRST_PAUSE, 0, false);
    loop {
        let found = connect(&config, purpose, hung).await;
        hung = matches!(found, Err(Refusal::Hung(_)));
        let reason = match found {
            Ok(connection) => {
                tracing::info!(purpose, "connected to RabbitMQ");
                generation += 1;
                let connection = Arc::new(connection);
                let events = connection.events_listener();
                let up = Up { connection: Arc::clone(&connection), generation };
                state.send_replace(State::Up(up));
                let since = tokio::time::Instant::now();
                let reason = tokio::select! {
                    reason = broken(&connection, events) => reason,
                    () = state.closed() => {
                        let bye = connection.close(200, "bye".into());
                        // Gone either way: the process or the socket ends.
                        drop(timeout(config.connect_timeout, bye).await);
                        return;
                    }
                };
                if since.elapsed() >= GOOD {
                    pause = FIRST_PAUSE;
                }
                reason
            }
            Err(Refusal::Hung(reason) | Refusal::Said(reason, _)) => reason,
        };
        tracing::warn!(purpose, %reason, pause_ms = pause.as_millis(), "no RabbitMQ, will try again");
        state.send_replace(State::Down(reason));
        tokio::select! {
            () = sleep(pause) => {}
            () = state.closed() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why there is no connection.
pub(crate) enum Refusal {
    /// Nobody answered in time.
    Hung(String),
    /// With the broker's code, when it was the broker who refused.
    Said(String, Option<u16>),
}

impl Refusal {
    fn hung(patience: Duration) -> Self {
        Self::Hung(format!("the broker did not answer within {patience:?}"))
    }
}

/// Connects within the time that may take.
///
/// The driver has a thread for each connection and no way to end one whose handshake hangs. So
/// after one that hung, whether anybody answers is tried on a plain socket first: a broker that
/// hangs for hours costs one thread, not one an attempt.
pub(crate) async fn connect(
    config: &Config,
    purpose: &str,
    hung: bool,
) -> Result<Connection, Refusal> {
    let patience = config.connect_timeout;
    let mut uri = parse(config)?;
    if hung {
        knock(&uri, patience).await?;
    }
    let heartbeat = config.heartbeat.as_secs().clamp(1, u64::from(u16::MAX));
    uri.query.heartbeat = u16::try_from(heartbeat).ok();
    uri.query.connection_timeout = u64::try_from(patience.as_millis()).ok();
    let properties =
        ConnectionProperties::default().with_connection_name(format!("pingtalk {purpose}").into());
    match timeout(patience, Connection::connect_uri(uri, properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Refusal::Said(error.to_string(), code(&error))),
        Err(_) => Err(Refusal::hung(patience)),
    }
}

fn parse(config: &Config) -> Result<AMQPUri, Refusal> {
    // The parser's text could hold parts of the URL, and so of the password.
    let parsed = config.url.parse();
    parsed.map_err(|_| Refusal::Said("the URL is not one of RabbitMQ".to_owned(), None))
}

/// The version that the broker says it is; none when it can't be read, as over TLS.
pub(crate) async fn version(config: &Config) -> Result<Option<String>, Refusal> {
    let greeting = knock(&parse(config)?, config.connect_timeout).await?;
    // In the table of its properties: a name, the type of a long string, its length and itself.
    const FIELD: &[u8] = b"\x07versionS";
    let found = greeting.windows(FIELD.len()).position(|window| window == FIELD);
    let rest = found.and_then(|at| greeting.get(at + FIELD.len()..));
    let text = rest.and_then(|rest| {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
    });
    Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// Connects without the driver and, unless it is encrypted, returns what the broker says first.
async fn knock(uri: &AMQPUri, patience: Duration) -> Result<Vec<u8>, Refusal> {
    let greeting = async {
        let host = uri.authority.host.trim_matches(['[', ']']);
        let mut socket = TcpStream::connect((host, uri.authority.port)).await?;
        let mut greeting = Vec::new();
        if uri.scheme == AMQPScheme::AMQP {
            socket.write_all(b"AMQP\x00\x00\x09\x01").await?;
            // One frame: its type, its channel, its length, that much, and a mark.
            let (_kind, _channel) = (socket.read_u8().await?, socket.read_u16().await?);
            let length = socket.read_u32().await?.min(MAX_GREETING);
            socket.take(length.into()).read_to_end(&mut greeting).await?;
        }
        Ok(greeting)
    };
    match timeout(patience, greeting).await {
        Ok(Ok(greeting)) => Ok(greeting),
        Ok(Err(error)) => {
            let error: std::io::Error = error;
            Err(Refusal::Said(format!("the broker can't be reached: {}", error.kind()), None))
        }
        Err(_) => Err(Refusal::hung(patience)),
    }
}

/// Resolves, with the reason, when the connection is of no use any more.
async fn broken(connection: &Connection, events: impl Stream<Item = Event>) -> String {
    let mut events = pin!(events);
    loop {
        match timeout(LOOK, events.next()).await {
            Ok(Some(Event::ConnectionBlocked(reason))) => {
                tracing::warn!(%reason, "RabbitMQ takes no publications for now");
            }
            Ok(Some(Event::ConnectionUnblocked)) => {
                tracing::info!("RabbitMQ takes publications again");
            }
            Ok(Some(Event::Error(error))) if !connection.status().connected() => {
                return error.to_string();
            }
            // A channel's error, or time to look.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => return "the connection has ended".to_owned(),
        }
        if !connection.status().connected() {
            // The reason may be the next thing announced.
            return match events.next().now_or_never().flatten() {
                Some(Event::Error(error)) => error.to_string(),
                _ => "the connection was lost".to_owned(),
            };
        }
    }
}
