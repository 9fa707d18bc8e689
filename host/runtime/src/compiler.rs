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
    process::Command,
    time::timeout,
};

use crate::engine::{self, EngineConfig};

/// Largest compiled component, in bytes: code is some four times what it is made of.
const MAX_CODE_BYTES: u64 = 512 * 1024 * 1024;
/// Most of what a failing compiler says.
const MAX_WORDS: u64 = 8 * 1024;

/// A program that compiles one component: from its standard input to its standard output, as
/// [`compile_one`] does. It must be of the same build.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take; then it is killed.
    pub time: Duration,
}

impl Compiler {
    /// Compiles a component; the answer is what `deserialize` takes.
    pub(crate) async fn compile(&self, bytes: Bytes) -> Result<Vec<u8>, Arc<str>> {
        match timeout(self.time, self.run(bytes)).await {
            Ok(Ok(code)) => code,
            Ok(Err(error)) => Err(format!("the compiler can't be used: {error}").into()),
            // Dropping the child has killed it.
            Err(_) => Err(format!("it took longer than {:?} to compile", self.time).into()),
        }
    }

    async fn run(&self, bytes: Bytes) -> io::Result<Result<Vec<u8>, Arc<str>>> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            // It needs nothing of ours, and secrets may lie there.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
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
        let reason =
            if said.is_empty() { format!("the compiler ended with {status}") } else { said };
        Ok(Err(reason.into()))
    }
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
