//! Stops and starts reading from a client.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// A valve in front of one client. Closed, its WebSocket is not read from (so that TCP slows the
/// client down) and its next POST waits.
#[derive(Debug, Default)]
pub(super) struct Valve {
    closed: AtomicBool,
    reader: AtomicWaker,
    poster: Notify,
}

impl Valve {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn open(&self) {
        if self.closed.swap(false, Ordering::AcqRel) {
            self.reader.wake();
            self.poster.notify_waiters();
        }
    }

    /// Ready while open, for the one task that reads.
    pub(super) fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.closed.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.reader.register(context.waker());
        // It may have opened between the look and the registration.
        if self.closed.load(Ordering::Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns once open.
    pub(super) async fn opened(&self) {
        loop {
            let notified = self.poster.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.closed.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}
