//! Compiling in a process of its own: a thread that compiles can't be ended, a process can. What it
//! used of memory goes with it, too.

use std::{
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    component::Pace,
    engine::{self, EngineConfig},
};

/// Largest compiled component, in bytes: code is some four times what it is made of.
const MAX_CODE_BYTES: u64 = 512 * 1024 * 1024;
/// Most of what a failing compiler says.
const MAX_WORDS: u64 = 8 * 1024;
/// One that got less than one part in so many of a core had no chance.
const STARVED_SHARE: u32 = 4;

/// Compiled code, or what is wrong with the component.
type Code = Result<Vec<u8>, Arc<str>>;

/// A program that compiles one component: from its standard input to its standard output, as
/// [`compile_one`] does. It must be of the same build.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its arguments where it is to have only what others leave of the machine, for [`Pace::Gentle`].
    pub gently: Option<Vec<String>>,
    /// How long it may take; then it is killed.
    pub time: Duration,
}

impl Compiler {
    /// Compiles a component; the answer is what `deserialize` takes.
    pub(crate) async fn compile(&self, bytes: Bytes, pace: Pace) -> Code {
        let compiled = match (pace, &self.gently) {
            (Pace::Gentle, Some(gently)) => self.compile_gently(gently, bytes).await,
            _ => self.attempt(bytes, self.time).await,
        };
        match compiled {
            Ok(Some(code)) => code,
            Ok(None) => Err(format!("it took longer than {:?} to compile", self.time).into()),
            Err(error) => Err(format!("the compiler can't be used: {error}").into()),
        }
    }

    /// Gently for half of the time, and on where that gets somewhere. Where it does not, the other half
    /// is for a compiler like everybody else: a busy machine must not keep anyone from deploying.
    async fn compile_gently(&self, gently: &[String], bytes: Bytes) -> io::Result<Option<Code>> {
        let half = self.time / 2;
        let mut command = self.command(gently);
        // Wasmtime compiles on rayon's threads. The kernel lets one of them go on for a while where a
        // core's thread was interrupted: the fewer, the less often.
        command.env("RAYON_NUM_THREADS", "1");
        // Huge pages are cleared in the kernel, two megabytes at a time, and its own threads, which
        // wait for nobody, come to look after them.
        command.env("MIMALLOC_ALLOW_THP", "0");
        let child = command.spawn()?;
        let id = child.id();
        let mut compiling = Box::pin(timeout(self.time, finish(child, bytes.clone())));
        if let Ok(compiled) = timeout(half, &mut compiling).await {
            return compiled.ok().transpose();
        }
        if cpu_time(id).await.is_none_or(|used| used >= half / STARVED_SHARE) {
            return compiling.await.ok().transpose();
        }
        // Kills it.
        drop(compiling);
        self.attempt(bytes, half).await
    }

    /// None when the time was up.
    async fn attempt(&self, bytes: Bytes, time: Duration) -> io::Result<Option<Code>> {
        let child = self.command(&self.arguments).spawn()?;
        timeout(time, finish(child, bytes)).await.ok().transpose()
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            // It needs nothing of ours, and secrets may lie there.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}
/// Gives a compiler the component and takes what it makes of it. Dropping this kills it.
async fn finish(mut child: Child, bytes: Bytes) -> io::Result<Code> {
    let (Some(mut input), Some(output), Some(words)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("no pipes"));
    };
    let give = async move {
        // One that has seen enough closes its end; its words tell why.
        let _ = input.write_all(&bytes).await;
        drop(input);
    };
    let (mut code, mut said) = (Vec::new(), Vec::new());
    let (mut output, mut words) = (output.take(MAX_CODE_BYTES), words.take(MAX_WORDS));
    let (_, read, _) =
        tokio::join!(give, output.read_to_end(&mut code), words.read_to_end(&mut said));
    read?;
    let status = child.wait().await?;
    if status.success() {
        return Ok(Ok(code));
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let reason = if said.is_empty() { format!("the compiler ended with {status}") } else { said };
    Ok(Err(reason.into()))
}

/// CPU time that a process has used, where the system tells it (proc_pid_stat(5): the name in
/// parentheses may hold anything; fields 14 and 15 are the time in user and kernel mode).
async fn cpu_time(process: Option<u32>) -> Option<Duration> {
    let line = tokio::fs::read_to_string(format!("/proc/{}/stat", process?)).await.ok()?;
    let (_, fields) = line.rsplit_once(')')?;
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>();
    Some(
        Duration::from_secs(ticks.ok()?)
            / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?,
    )
}

/// What a [`Compiler`]'s program does: compiles what comes on standard input. Blocks.
///
/// # Errors
/// When it is no component, or standard output is closed.
pub fn compile_one(config: &EngineConfig) -> Result<(), String> {
    let mut bytes = Vec::new();
    let limit = config.max_component_bytes.saturating_add(1);
    io::stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input: {error}"))?;
    let engine = engine::start(config).map_err(|error| error.to_string())?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    io::stdout().write_all(&code).map_err(|error| format!("standard output: {error}"))
}
