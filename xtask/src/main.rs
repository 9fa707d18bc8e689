//! The project's own commands, run as `cargo xtask <command>`. They need nothing but Rust, Node and
//! Python: what is missing beyond that they install, or they say what to install.

mod architecture;
mod deny;
mod guests;
mod host;
mod process;
mod servers;
mod setup;
mod summary;
mod test;
mod vendored;

use clap::{Parser, Subcommand};

/// Builds, tests and checks PingTalk.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test: Rust, components, real Socket.IO clients and a browser.
    Test(test::Options),
    /// Run the servers that production backends are tested against, and say where they are.
    Servers,
    /// Build the components and the test guests for WebAssembly.
    Guests,
    /// Check who imports whom and how modules are laid out.
    Architecture,
    /// Check dependencies: licences, sources, duplicates, advisories.
    Deny,
    /// Print the summary of the last `test` again.
    Summary,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Servers => servers::run(),
        Command::Guests => guests::build(),
        Command::Architecture => architecture::run(),
        Command::Deny => deny::run(),
        Command::Summary => summary::print_last(),
    }
}
