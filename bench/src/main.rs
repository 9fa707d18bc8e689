//! Measures the host beside something else in the same run. Machines are noisy, so what counts is
//! a ratio: CPU per request or per delivered message, and the 99th percentile, against the
//! baseline of the same minute.
//!
//! Every load is bounded in count and time and goes to loopback only. Servers run as processes of
//! their own, so that their CPU time can be read from `/proc`.

mod backends;
mod chat;
mod client;
mod fanout;
mod http_load;
mod plain;
mod report;
mod server;
mod startup;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures PingTalk's host.
#[derive(Parser)]
#[command(name = "pingtalk-bench")]
struct Arguments {
    /// The host's binary, built with --release.
    #[arg(long, env = "PINGTALK_BIN", default_value = "target/release/pingtalk")]
    pingtalk: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A trivial component behind our gateway, against a plain hyper server (and, when
    /// WASMTIME names it, `wasmtime serve`).
    Hello(http_load::Options),
    /// Authenticated `GET /chat/my-chats` and `GET /profile/getProfile`, against plain hyper.
    Api(http_load::Options),
    /// The backends by themselves: embedded, and those the environment names servers for.
    Backends(backends::Options),
    /// One message to many sockets.
    Fanout(fanout::Options),
    /// Start-up to the first answer, with a warm compile cache.
    Startup(startup::Options),
    /// The baseline: hyper answering from memory. Started by the others.
    #[command(hide = true)]
    ServePlain,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Hello(options) => http_load::hello(&arguments.pingtalk, &options).await,
        Command::Api(options) => http_load::api(&arguments.pingtalk, &options).await,
        Command::Backends(options) => backends::run(&options).await,
        Command::Fanout(options) => fanout::run(&arguments.pingtalk, &options).await,
        Command::Startup(options) => startup::run(&arguments.pingtalk, &options).await,
        Command::ServePlain => plain::serve().await,
    }
}
