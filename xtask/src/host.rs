//! A host for the tests that run against one: started on a free port with a data directory of its
//! own, stopped by its process id.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{process::root, servers::without_originals};

/// The first start compiles the components.
const START_TIME: Duration = Duration::from_secs(120);

/// A running host.
pub(crate) struct Host {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Host {
    /// Starts `binary` with a manifest and waits until it answers.
    pub(crate) fn start(binary: &Path, manifest: &str, data: PathBuf) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = without_originals(&mut Command::new(binary))
            .current_dir(root())
            .args(["up", "--manifest", manifest, "--listen", &address.to_string(), "--data"])
            .arg(&data)
            .env("PINGTALK_ADMIN_LISTEN", "off")
            .env("PINGTALK_LOG", "warn")
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let mut host = Self { child, address, data };
        let started = Instant::now();
        while !host.answers() {
            if let Some(status) = host.child.try_wait()? {
                bail!("the host ended at once: {status}");
            }
            if started.elapsed() > START_TIME {
                bail!("the host did not answer within {START_TIME:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(host)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(
                b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.ends_with(b"200"))
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The data are thrown away, so there is nothing to end in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
