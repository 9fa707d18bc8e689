//! Start-up: from the start of the process to the first answered request, compile cache warm.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use tempfile::TempDir;

use crate::server::Server;

#[derive(Args)]
pub(crate) struct Options {
    /// Starts measured.
    #[arg(long, default_value_t = 10)]
    starts: usize,
}

pub(crate) async fn run(pingtalk: &Path, options: &Options) -> Result<()> {
    let data = TempDir::new()?;
    let manifest = PathBuf::from("spin.toml");
    let started = Instant::now();
    drop(Server::pingtalk_in(pingtalk, &manifest, data.path()).await?);
    println!("first start, compiling: {} ms", started.elapsed().as_millis());
    let mut times = Vec::new();
    for _ in 0..options.starts {
        let started = Instant::now();
        let server = Server::pingtalk_in(pingtalk, &manifest, data.path()).await?;
        times.push(started.elapsed());
        drop(server);
    }
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or(Duration::ZERO);
    let worst = times.last().copied().unwrap_or(Duration::ZERO);
    println!(
        "start to first answer, warm: median {} ms, worst {} ms",
        middle.as_millis(),
        worst.as_millis()
    );
    Ok(())
}
