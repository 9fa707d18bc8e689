//! A server's process: watched while it starts, killed with us, stopped by its id.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::process::exists;

/// A running server.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program with its output in a log file.
    pub(super) fn spawn(name: &'static str, command: &Command, folder: &Path) -> Result<Self> {
        let log = folder.join("output.log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = killed_with_us(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Waits until `ready` says so.
    pub(super) fn wait(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> std::io::Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        // Not being able to connect is what is waited out.
        while !ready().unwrap_or(false) {
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status}):\n{}", self.name, log());
            }
            if started.elapsed() > patience {
                bail!("{} was not ready within {patience:?}:\n{}", self.name, log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{} is ready ({} ms)", self.name, started.elapsed().as_millis());
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The data are thrown away, so there is nothing to end in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, killed by the kernel should we be killed (where util-linux can ask for that).
fn killed_with_us(command: &Command) -> Command {
    let mut words = Command::new("setpriv");
    if exists("setpriv") {
        words.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
    } else {
        words = Command::new(command.get_program());
    }
    words.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => words.env(name, value),
            None => words.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        words.current_dir(folder);
    }
    words
}

/// A port that is free now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// True when a server greets as it should: what it answers to `hello` starts with `greeting`.
pub(super) fn greets(port: u16, hello: &[u8], greeting: &[u8]) -> std::io::Result<bool> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(hello)?;
    let mut answer = vec![0; greeting.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer == greeting)
}
