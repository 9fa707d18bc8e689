//! The `pingtalk` binary: parse the command line, do what it says.

mod build;
mod check;
mod config;
mod doctor;
mod events;
mod host;
mod loading;
mod logging;
mod progress;
mod up;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

/// Measured: half a microsecond a request less than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs real-time applications made of WebAssembly components.
///
/// An application is a manifest (spin.toml) and the components it names. Without further
/// configuration everything is embedded: documents and events in SQLite, the cache in memory,
/// blobs in files, all under one data directory. MongoDB, Redis, RabbitMQ, S3 and Cloudinary take
/// their places where they are configured.
#[derive(Parser)]
#[command(
    name = "pingtalk",
    version,
    disable_version_flag = true,
    after_help = "Examples:\n  pingtalk up --build                    build the components and run them on 127.0.0.1:3000\n  pingtalk up --data /srv/chat --listen 0.0.0.0:80\n  pingtalk check                         what each component is granted\n  pingtalk build                         build the components only\n  pingtalk doctor                        can the configured servers do their work\n\nConfiguration: pingtalk.toml in the current directory (or --config FILE); every key also as an\nenvironment variable, such as PINGTALK_LISTEN. See docs/configuration.md."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the application
    ///
    /// Prints what runs where, and serves until SIGTERM or Ctrl-C; then it finishes the calls in
    /// hand, asks socket clients to reconnect, and exits with 0.
    #[command(
        after_help = "Examples:\n  pingtalk up --build\n  pingtalk up --listen 127.0.0.1:8080 --data /tmp/try-out"
    )]
    Up(up::Options),
    /// Build the components by the commands in the manifest
    #[command(after_help = "Examples:\n  pingtalk build\n  pingtalk build auth chat")]
    Build(build::Options),
    /// Validate the manifest and say what each component is granted
    ///
    /// Where a component's file is there, its imports are held against the grants too. Exits with
    /// 1 when something is wrong.
    #[command(
        after_help = "Examples:\n  pingtalk check\n  pingtalk check --manifest other/spin.toml"
    )]
    Check(check::Options),
    /// Ask each configured backend whether it can do its work
    ///
    /// Says what is wrong and what to do about it. Exits with 1 when the host could not work.
    #[command(
        after_help = "Examples:\n  pingtalk doctor\n  MONGO_URI=mongodb://db1/ REDIS_HOST=cache1 pingtalk doctor"
    )]
    Doctor(doctor::Options),
    /// Look at events that no consumer could handle; put them back or drop them
    #[command(
        after_help = "Examples:\n  pingtalk events list\n  pingtalk events list chat.request.accepted --json\n  pingtalk events replay chat.request.accepted 6f1c…#0\n  pingtalk events replay chat.request.accepted --all\n  pingtalk events discard chat.request.accepted 6f1c…#0"
    )]
    Events(events::Options),
    /// Print the version
    Version,
}

/// Where the manifest is.
#[derive(Args, Clone)]
struct ManifestOption {
    /// The application's manifest
    #[arg(long, short = 'f', value_name = "FILE", default_value = "spin.toml")]
    manifest: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Up(options) => up::run(&options),
        Command::Build(options) => build::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Events(options) => events::run(&options),
        Command::Version => {
            println!("pingtalk {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pingtalk: {error:#}");
            ExitCode::FAILURE
        }
    }
}
