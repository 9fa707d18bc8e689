//! One connection's bytes, between the socket and hyper.
//!
//! It does three things that hyper leaves out: it tells [`Phase`] what moves, it puts our own
//! error response in the place of hyper's bare one when a request can't be parsed, and on closing
//! it reads on for a moment if the client is still sending, because closing a socket with unread
//! bytes resets it and takes the response away from the client (RFC 9112, section 9.6).
//!
//! Bytes that hyper writes while no response of ours is on its way can only be its own error
//! response. If the client is still reading the response before (it sent several requests at once,
//! one of them broken), the two can't be told apart and hyper's goes out as it is.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{connection::Slot, errors, phase::Phase};

/// The most that is thrown away after a refusal.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

pub(crate) struct Transport<S> {
    stream: S,
    phase: Arc<Phase>,
    /// An error response of ours, and how much of it was written.
    own: Option<(Vec<u8>, usize)>,
    shut: bool,
    lingered: usize,
    /// Held as long as the socket is: an upgraded connection counts too.
    _slot: Slot,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(stream: S, phase: Arc<Phase>, slot: Slot) -> Self {
        Self { stream, phase, own: None, shut: false, lingered: 0, _slot: slot }
    }

    /// The socket itself, when hyper is done with it.
    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => self.phase.stalled(),
            Poll::Ready(_) => self.phase.progressed(),
        }
    }

    /// Takes hyper's answer to what it could not parse, and prepares ours.
    fn replace(&mut self, bytes: &[u8]) {
        if self.own.is_none() {
            self.phase.leave_unread();
            self.own = Some((errors::in_place_of(bytes), 0));
        }
    }

    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, written)) = &mut self.own {
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let result = Pin::new(&mut self.stream).poll_write(cx, rest);
            match &result {
                Poll::Pending => self.phase.stalled(),
                Poll::Ready(_) => self.phase.progressed(),
            }
            let count = ready!(result)?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scrap = [0; 8 * 1024];
        while self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                // Closed by the client, or gone: either way there is nothing to wait for.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.phase.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.phase.responding() {
            self.replace(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.phase.responding() {
            self.replace(slices.first().map_or(&[], |slice| &**slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        // TLS has a buffer of its own; a TCP stream has none.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.phase.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
            if self.phase.has_unread() {
                self.phase.lingering();
            }
        }
        if self.phase.has_unread() {
            ready!(self.poll_linger(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}
