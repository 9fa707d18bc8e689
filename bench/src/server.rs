//! Servers under measurement: started as processes pinned to one core, asked for their CPU time,
//! stopped by process id.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// Clock ticks a second in `/proc/PID/stat`; fixed at 100 on Linux (`man 5 proc`, USER_HZ).
const TICKS: f64 = 100.0;
/// How long a server may take to answer its first request.
const START_TIME: Duration = Duration::from_secs(60);

/// Which backends a host uses.
pub(crate) struct Backends {
    /// For the rows of a table.
    pub(crate) name: &'static str,
    environment: Vec<(String, String)>,
}

impl Backends {
    /// The embedded ones.
    pub(crate) fn embedded() -> Self {
        Self { name: "embedded", environment: Vec::new() }
    }

    /// The embedded ones; beside them the production ones where `PINGTALK_TEST_MONGODB`,
    /// `PINGTALK_TEST_REDIS` and `PINGTALK_TEST_RABBITMQ` say where servers are (`cargo xtask
    /// servers`). Each run has databases of its own.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::embedded()];
        let server = |name: &str| std::env::var(format!("PINGTALK_TEST_{name}"));
        if let (Ok(mongodb), Ok(redis), Ok(rabbitmq)) =
            (server("MONGODB"), server("REDIS"), server("RABBITMQ"))
        {
            let (mongodb, run) = (mongodb.trim_end_matches('/'), std::process::id());
            let mut environment = vec![
                ("PINGTALK_REDIS".to_owned(), redis),
                ("PINGTALK_RABBITMQ".to_owned(), rabbitmq),
            ];
            for service in ["auth", "profile", "request", "chat"] {
                let variable = format!("MONGO_{}_URI", service.to_ascii_uppercase());
                environment.push((variable, format!("{mongodb}/bench_{run}_{service}")));
            }
            all.push(Self { name: "MongoDB, Redis, RabbitMQ", environment });
        }
        all
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _data: Option<TempDir>,
}

impl Server {
    /// The baseline: this program as a plain hyper server.
    pub(crate) fn plain() -> Result<Self> {
        let mut child =
            pinned(&std::env::current_exe()?).arg("serve-plain").stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").context("no address")?.parse()?;
        Ok(Self { child, address, _data: None })
    }

    /// Our host with a manifest, one core, and data of its own.
    pub(crate) async fn pingtalk(
        binary: &Path,
        manifest: &Path,
        backends: &Backends,
    ) -> Result<Self> {
        let data = TempDir::new()?;
        let mut server = Self::start(binary, manifest, data.path(), &backends.environment).await?;
        server._data = Some(data);
        Ok(server)
    }

    /// The same, with one component on a port of its own too, where requests are not rate-limited.
    /// `variable` is what the manifest calls that port; returns its address.
    pub(crate) async fn pingtalk_with_direct(
        binary: &Path,
        manifest: &Path,
        backends: &Backends,
        variable: &str,
    ) -> Result<(Self, SocketAddr)> {
        let (data, direct) = (TempDir::new()?, free_address()?);
        let mut environment = backends.environment.clone();
        environment.push((variable.to_owned(), direct.port().to_string()));
        let mut server = Self::start(binary, manifest, data.path(), &environment).await?;
        server._data = Some(data);
        Ok((server, direct))
    }

    /// The same on existing data.
    pub(crate) async fn pingtalk_in(binary: &Path, manifest: &Path, data: &Path) -> Result<Self> {
        Self::start(binary, manifest, data, &[]).await
    }

    async fn start(
        binary: &Path,
        manifest: &Path,
        data: &Path,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let address = free_address()?;
        let child = pinned(binary)
            .args(["up", "--threads", "1", "--listen", &address.to_string()])
            .arg("--manifest")
            .arg(manifest)
            .arg("--data")
            .arg(data)
            .env("PINGTALK_ADMIN_LISTEN", "off")
            .env("PINGTALK_LOG", "warn")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let server = Self { child, address, _data: None };
        server.ready().await?;
        Ok(server)
    }

    /// `wasmtime serve` with the same component.
    pub(crate) async fn wasmtime(binary: &str, component: &Path) -> Result<Self> {
        let address = free_address()?;
        let child = pinned(Path::new(binary))
            .args([
                "serve",
                "-Wcomponent-model-async=y",
                "-Sp3=y",
                "-Scli=y",
                "--addr",
                &address.to_string(),
            ])
            .arg(component)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start {binary}"))?;
        let server = Self { child, address, _data: None };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_TIME {
            if crate::client::answers(self.address).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the server did not answer within {START_TIME:?}")
    }

    /// CPU time used so far, all threads, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields 14 and 15, counted behind the command's name, which may hold blanks (proc(5)).
        let fields = stat.rsplit_once(") ").context("unexpected /proc stat")?.1;
        let mut fields = fields.split(' ').skip(11);
        let mut ticks = || -> Result<f64> { Ok(fields.next().context("short stat")?.parse()?) };
        let total = ticks()? + ticks()?;
        Ok(Duration::from_secs_f64(total / TICKS))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program on core 0, where there is `taskset`; the load stays on the other cores.
fn pinned(program: &Path) -> Command {
    let has_taskset = Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_taskset {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
