//! The byte stream below a WebSocket, with what the library above it lacks: reading can be
//! paused, written messages are counted, a write that makes no progress ends, and losing the
//! stream ends the session in whatever state it is. It also plays the upgrade to the library that
//! a session needs which begins with a WebSocket.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::{frames::FrameCounter, link::Link};

/// A stream that belongs to a link.
pub(super) struct Wire<S> {
    stream: S,
    link: Arc<Link>,
    frames: FrameCounter,
    /// How long a write may make no progress.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// What the library reads before what the client sent.
    prelude: &'static [u8],
    /// How many of the library's first bytes the client does not get.
    hidden: usize,
}

/// `2probe` and `5` as a client sends them (masked, with a mask of zeros): an upgrade that the
/// client did not ask for, because to it there was never anything but this WebSocket.
const UPGRADE: &[u8] = b"\x81\x86\0\0\0\x002probe\x81\x81\0\0\0\x005";
/// The length of the frame `3probe`, which answers it.
const PROBE_ANSWER: usize = 2 + 6;
/// The shortest payload that needs a longer frame header.
const LONG_PAYLOAD: usize = 126;

impl<S> Wire<S> {
    pub(super) fn new(stream: S, link: Arc<Link>, patience: Duration) -> Self {
        Self {
            stream,
            link,
            frames: FrameCounter::default(),
            patience,
            stalled: None,
            prelude: &[],
            hidden: 0,
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Starts a session that begins with this WebSocket by its first packet.
    pub(super) async fn begin(&mut self, packet: &str) -> io::Result<()> {
        let length = u8::try_from(packet.len()).ok().filter(|&l| usize::from(l) < LONG_PAYLOAD);
        let mut frame = Vec::with_capacity(packet.len() + 4);
        frame.push(0x81);
        match length {
            Some(length) => frame.push(length),
            None => {
                frame.push(126);
                let length =
                    u16::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(packet.as_bytes());
        timeout(self.patience, self.stream.write_all(&frame)).await??;
        self.prelude = UPGRADE;
        self.hidden = PROBE_ANSWER;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prelude.is_empty() {
            let (now, later) = self.prelude.split_at(buffer.remaining().min(self.prelude.len()));
            buffer.put_slice(now);
            self.prelude = later;
            return Poll::Ready(Ok(()));
        }
        ready!(self.link.valve().poll_open(context));
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Fails a write that was given up or has waited too long.
    fn check_patience<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = self.patience;
        let stalled =
            self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.link.poll_given_up(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.hidden > 0 {
            let count = self.hidden.min(bytes.len());
            self.hidden -= count;
            return Poll::Ready(Ok(count));
        }
        let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes) else {
            return self.check_patience(context);
        };
        self.stalled = None;
        if let Ok(count) = written {
            let ended = self.frames.advance(bytes.get(..count).unwrap_or_default());
            if ended > 0 {
                self.link.written(ended);
            }
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.poll_given_up(context) {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.check_patience(context),
        }
    }
}

impl<S> Drop for Wire<S> {
    fn drop(&mut self) {
        self.link.lost();
    }
}
