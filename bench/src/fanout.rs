//! Socket fan-out: one sender, many sockets in the chat's room. Measures the host's CPU per
//! delivered message and the time from send to the last delivery.
//!
//! The sockets belong to two users (any number of devices may join a chat), so that the set-up
//! stays short and the figure is about delivery.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures_util::{SinkExt, StreamExt, future::try_join_all};
use http::{HeaderValue, header};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    chat,
    report::{self, Row},
    server::{Backends, Server},
};

#[derive(Args)]
pub(crate) struct Options {
    /// How many sockets listen; several numbers make several rows.
    #[arg(long, value_delimiter = ',', default_value = "100,1000")]
    clients: Vec<usize>,
    /// Messages sent.
    #[arg(long, default_value_t = 100)]
    messages: usize,
    /// Bytes of text in each.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
}

/// Nothing here takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn run(pingtalk: &Path, options: &Options) -> Result<()> {
    let mut rows = Vec::new();
    for backends in Backends::all() {
        for &clients in &options.clients {
            rows.push(measure(pingtalk, &backends, clients, options).await?);
        }
    }
    report::print("delivery", &rows);
    Ok(())
}

/// One row: a host of its own, its users, a sender and so many listeners.
async fn measure(
    pingtalk: &Path,
    backends: &Backends,
    clients: usize,
    options: &Options,
) -> Result<Row> {
    let server = Server::pingtalk(pingtalk, &PathBuf::from("spin.toml"), backends).await?;
    let alice = chat::sign_up(server.address, 0).await?;
    let bob = chat::sign_up(server.address, 1).await?;
    let chat = chat::direct_chat(server.address, &alice, &bob).await?;

    let empty = server.resident()?;
    let mut sender = open(server.address, &alice.cookie).await?;
    let mut listeners = Vec::new();
    for _ in 0..clients {
        let mut socket = open(server.address, &bob.cookie).await?;
        let join = format!(r#"420["joinChat",{{"chatId":"{chat}"}}]"#);
        socket.send(Message::text(join)).await?;
        until(&mut socket, "430").await?;
        listeners.push(socket);
    }
    let resident = server.resident()?.saturating_sub(empty);

    let before = server.cpu()?;
    let started = Instant::now();
    let (messages, text) = (options.messages, "x".repeat(options.bytes));
    let listening: Vec<_> =
        listeners.into_iter().map(|socket| tokio::spawn(count(socket, messages))).collect();
    let mut latencies = Vec::with_capacity(messages);
    for number in 0..messages {
        let sent = Instant::now();
        let send = format!(r#"42{number}["sendMessage",{{"chatId":"{chat}","text":"{text}"}}]"#);
        sender.send(Message::text(send)).await?;
        until(&mut sender, &format!("43{number}")).await?;
        latencies.push(sent.elapsed());
    }
    for counted in try_join_all(listening).await? {
        ensure!(counted? == messages, "a socket missed messages");
    }
    let elapsed = started.elapsed();
    let cpu = server.cpu()? - before;
    latencies.sort_unstable();
    let delivered = (clients * messages) as f64;
    let at =
        |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
    println!(
        "{clients} sockets: {:.1} KiB resident each, {messages} messages acknowledged",
        resident as f64 / 1024.0 / clients as f64
    );
    Ok(Row {
        name: format!("{}: {clients} sockets (times: send to acknowledgement)", backends.name),
        cpu: cpu.div_f64(delivered),
        rate: delivered / elapsed.as_secs_f64(),
        median: at(50),
        p99: at(99),
    })
}

/// Connects a WebSocket and the default namespace.
async fn open(address: SocketAddr, cookie: &str) -> Result<Socket> {
    let url = format!("ws://{address}/chat/socket.io/?EIO=4&transport=websocket");
    let mut request = url.into_client_request()?;
    request.headers_mut().insert(header::COOKIE, HeaderValue::from_str(cookie)?);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    until(&mut socket, "0").await?;
    socket.send(Message::text("40")).await?;
    until(&mut socket, "40").await?;
    Ok(socket)
}

/// Reads until a packet starts with `prefix`; answers heartbeats.
async fn until(socket: &mut Socket, prefix: &str) -> Result<String> {
    let read = async {
        while let Some(message) = socket.next().await {
            let message = message?;
            let text = message.to_text().unwrap_or_default();
            if text == "2" {
                socket.send(Message::text("3")).await?;
            } else if text.starts_with(prefix) {
                return Ok(text.to_owned());
            } else if text.starts_with("44") || text.starts_with("41") {
                bail!("refused: {text}");
            }
        }
        bail!("the socket closed")
    };
    tokio::time::timeout(PATIENCE, read).await.context("no answer in time")?
}

/// Counts deliveries until there are `expected`.
async fn count(mut socket: Socket, expected: usize) -> Result<usize> {
    for _ in 0..expected {
        until(&mut socket, r#"42["receiveMessage""#).await?;
    }
    Ok(expected)
}
