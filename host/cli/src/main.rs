//! The `pingtalk` binary: parse the command line, do what it says.

mod age;
mod build;
mod check;
mod compile;
mod config;
mod crypto;
mod doctor;
mod host;
mod loading;
mod logging;
mod priority;
mod progress;
mod remote;
mod telemetry;
mod up;
mod watch;

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
    Events(remote::EventsOptions),
    /// Put a release in force on a running host
    ///
    /// Uploads what the host does not have, has it checked (signatures, grants, imports and
    /// exports, a start of every component), prints what changes, and switches without dropping a
    /// request or a socket. What fails a check changes nothing.
    #[command(
        after_help = "Examples:\n  pingtalk deploy .                                the application in this folder\n  pingtalk deploy --tenant shop --component chat target/chat.wasm\n  pingtalk deploy --tenant shop --canary 10% .     a tenth of the calls\n  pingtalk deploy --tenant shop --dry-run registry.example.org/team/chat:1.2"
    )]
    Deploy(remote::DeployOptions),
    /// Take an earlier release back
    Rollback(remote::RollbackOptions),
    /// End the trial of a release
    #[command(
        after_help = "Examples:\n  pingtalk canary promote --tenant shop\n  pingtalk canary cancel --tenant shop"
    )]
    Canary(remote::CanaryOptions),
    /// List a tenant's releases; the one in force has a star
    Releases(remote::ReleasesOptions),
    /// Say what one release changes against another
    #[command(after_help = "Example:\n  pingtalk diff 3f2a 91ab --tenant shop")]
    Diff(remote::DiffOptions),
    /// Make, show, change and remove tenants
    #[command(
        after_help = "Examples:\n  pingtalk tenants create shop --host shop.example.org\n  pingtalk tenants change shop --variable app_name=Shop --suspend"
    )]
    Tenants(remote::TenantsOptions),
    /// Set and remove a tenant's secrets
    #[command(
        after_help = "Example:\n  pingtalk secrets set jwt_secret --tenant shop < secret.txt"
    )]
    Secrets(remote::SecretsOptions),
    /// Show what a running host does
    Status(remote::StatusOptions),
    /// Show who changed what
    Audit(remote::AuditOptions),
    /// Have a running host finish its calls and end
    Drain(remote::StatusOptions),
    /// Push the application, or one component, to an OCI registry
    ///
    /// Credentials: PINGTALK_REGISTRY_USER and PINGTALK_REGISTRY_PASSWORD.
    #[command(after_help = "Example:\n  pingtalk push registry.example.org/team/chat:1.2 .")]
    Push(remote::PushOptions),
    /// Compile one component from standard input to standard output, for a host
    #[command(hide = true)]
    Compile {
        /// With what others leave of the machine
        #[arg(long)]
        gently: bool,
    },
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
        Command::Events(options) => remote::events(&options),
        Command::Deploy(options) => remote::deploy(&options),
        Command::Rollback(options) => remote::rollback(&options),
        Command::Canary(options) => remote::canary(&options),
        Command::Releases(options) => remote::releases(&options),
        Command::Diff(options) => remote::diff(&options),
        Command::Tenants(options) => remote::tenants(&options),
        Command::Secrets(options) => remote::secrets(&options),
        Command::Status(options) => remote::status(&options),
        Command::Audit(options) => remote::audit(&options),
        Command::Drain(options) => remote::drain(&options),
        Command::Push(options) => remote::push(&options),
        Command::Compile { gently } => return compile::run(gently),
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
