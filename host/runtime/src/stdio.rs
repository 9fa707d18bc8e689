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

use crate::{capabilities::Names, ticket::Ticket};

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

    fn line(&self, stream: Stream, line: &[u8], request_id: Option<&str>) {
        let Some(suppressed) = self.admit(Instant::now()) else { return };
        let line = String::from_utf8_lossy(line);
        let Names { tenant, component, release } = &self.names;
        let (tenant, component, release) = (tenant.as_str(), &**component, &**release);
        if suppressed > 0 {
            tracing::warn!(target: "guest", tenant, component, release, suppressed, "log lines left out");
        }
        match stream {
            Stream::Out => {
                tracing::info!(target: "guest", tenant, component, release, request_id, "{line}");
            }
            Stream::Error => {
                tracing::warn!(target: "guest", tenant, component, release, request_id, "{line}");
            }
        }
    }
}

/// Whoever writes in one instance: its component's log, and the call whose code writes right now.
pub(crate) struct Writer {
    log: Arc<Log>,
    /// Instances run on one thread at a time; the lock is never waited for.
    call: Mutex<Option<Arc<Ticket>>>,
}

impl Writer {
    pub(crate) fn new(log: Arc<Log>) -> Arc<Self> {
        Arc::new(Self { log, call: Mutex::new(None) })
    }

    /// What is written from now on is this call's.
    pub(crate) fn serves(&self, call: Option<Arc<Ticket>>) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }

    fn line(&self, stream: Stream, line: &[u8]) {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match call {
            Some(call) => {
                call.trace.within(|| self.log.line(stream, line, Some(&call.request_id)));
            }
            None => self.log.line(stream, line, None),
        }
    }
}

/// A guest's stdout or stderr.
pub(crate) struct Output {
    writer: Arc<Writer>,
    stream: Stream,
}

impl Output {
    pub(crate) fn new(writer: Arc<Writer>, stream: Stream) -> Self {
        Self { writer, stream }
    }

    fn lines(&self) -> Lines {
        Lines {
            writer: Arc::clone(&self.writer),
            stream: self.stream,
            line: Vec::new(),
            cut: false,
        }
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
    writer: Arc<Writer>,
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
            self.writer.line(self.stream, &self.line);
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
