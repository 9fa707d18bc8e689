//! A Redis server of a test's own, to be killed, silenced and started again: on a free port, in a
//! folder that goes with it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest that any step of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running `redis-server`.
pub struct Server {
    listen: &'static str,
    port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    process: Child,
}

impl Server {
    /// Starts one, without persistence, with these arguments added.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with("--port", arguments)
    }

    /// Starts one that speaks TLS only; the arguments name its certificate.
    #[must_use]
    pub fn start_tls(arguments: &[&str]) -> Self {
        Self::start_with("--tls-port", &[arguments, &["--port", "0"]].concat())
    }

    fn start_with(listen: &'static str, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        for _ in 0..10 {
            // Another process may take the port before the server does: then try another.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let folder = tempfile::tempdir().unwrap();
            let process = launch(listen, port, &arguments, folder.path());
            let mut server = Self { listen, port, arguments: arguments.clone(), folder, process };
            if server.comes_up() {
                return server;
            }
        }
        panic!("redis-server ends right after its start: see whether it runs by hand");
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn comes_up(&mut self) -> bool {
        let began = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while began.elapsed() < PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return true;
            }
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port, after [`Server::kill`].
    pub fn restart(&mut self) {
        self.process = launch(self.listen, self.port, &self.arguments, self.folder.path());
        assert!(self.comes_up(), "redis-server starts again");
    }

    /// Makes it silent: its connections stay, nothing is answered.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Undoes [`Server::stop`].
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.process.id().to_string()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(listen: &str, port: u16, arguments: &[String], folder: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args([listen, &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .args(arguments)
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}
