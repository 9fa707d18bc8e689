//! What guests write to stdout and stderr becomes log lines under their tenant's name: whole lines
//! of bounded length, and a bounded number of them a second, so that a guest can't fill a disk.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::capabilities::Names;

/// Longest line, in bytes; the rest of a longer one is left out.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// Lines a second, for all instances of one component of a tenant.
const LINES_PER_SECOND: f64 = 100.0;
/// Lines at once.
const BURST_LINES: f64 = 200.0;
/// What a guest may write in one call.
const WRITE_BYTES: usize = 64 * 1024;

/// Which of the two streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Out,
    Error,
}

/// The log of one component of one tenant's release.
pub(crate) struct Log {
    names: Names,
    budget: Mutex<Budget>,
}

struct Budget {
    lines: f64,
    at: Instant,
    suppressed: u64,
}

impl Log {
    pub(crate) fn new(names: Names) -> Arc<Self> {
        let budget = Budget { lines: BURST_LINES, at: Instant::now(), suppressed: 0 };
        Arc::new(Self { names, budget: Mutex::new(budget) })
    }

    /// Takes one line from the budget. The count of lines left out before it, unless it is used up.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(budget.at).as_secs_f64() * LINES_PER_SECOND;
        budget.lines = (budget.lines + gained).min(BURST_LINES);
        budget.at = now;
        if budget.lines < 1.0 {
            budget.suppressed += 1;
            return None;
        }
        budget.lines -= 1.0;
        Some(std::mem::take(&mut budget.suppressed))
    }

    fn line(&self, stream: Stream, line: &[u8]) {
        let Some(suppressed) = self.admit(Instant::now()) else { return };
        let line = String::from_utf8_lossy(line);
        let (tenant, component) = (self.names.tenant.as_str(), &*self.names.component);
        if suppressed > 0 {
            tracing::warn!(target: "guest", tenant, component, suppressed, "log lines left out");
        }
        match stream {
            Stream::Out => tracing::info!(target: "guest", tenant, component, "{line}"),
            Stream::Error => tracing::warn!(target: "guest", tenant, component, "{line}"),
        }
    }
}

/// A guest's stdout or stderr.
pub(crate) struct Output {
    log: Arc<Log>,
    stream: Stream,
}

impl Output {
    pub(crate) fn new(log: Arc<Log>, stream: Stream) -> Self {
        Self { log, stream }
    }

    fn lines(&self) -> Lines {
        Lines { log: Arc::clone(&self.log), stream: self.stream, line: Vec::new(), cut: false }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

/// Cuts a stream into lines. Never blocks and never fails.
struct Lines {
    log: Arc<Log>,
    stream: Stream,
    line: Vec<u8>,
    /// The line is over its length; its rest is left out.
    cut: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = MAX_LINE_BYTES - self.line.len();
            self.cut |= text.len() > room;
            self.line.extend(text.iter().take(room));
            if ends {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        if self.cut {
            self.line.extend("…".bytes());
        }
        if !self.line.is_empty() {
            self.log.line(self.stream, &self.line);
        }
        self.line.clear();
        self.cut = false;
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}
