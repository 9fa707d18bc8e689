//! Redis, from Debian's packages.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::process::{Server, free_port, greets};
use crate::setup;

/// A Redis that keeps nothing.
pub(super) struct Redis {
    _server: Server,
    port: u16,
}

impl Redis {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        setup::debian("redis-server", &["redis-server"])?;
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.current_dir(folder).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no"]);
        let mut server = Server::spawn("Redis", &command, folder)?;
        server.wait(Duration::from_secs(20), || greets(port, b"PING\r\n", b"+PONG"))?;
        Ok(Self { _server: server, port })
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}
