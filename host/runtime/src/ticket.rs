//! What the caller, the worker and the watchdog share about one call.
//!
//! The answer itself travels through a oneshot channel. The ticket carries what must reach the
//! caller even when the instance can't: that the deadline passed, or that the instance died.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use futures_util::task::AtomicWaker;
use pingtalk_capabilities::{calls::CallError, trace::Trace};
use tokio::sync::oneshot;

use crate::clock;

const RUNNING: u8 = 0;
const OVERDUE: u8 = 1;
const FAILED: u8 = 2;
const LOST: u8 = 3;
const REFUSED: u8 = 4;

/// One call.
pub(crate) struct Ticket {
    /// Appears in log lines.
    pub(crate) request_id: Arc<str>,
    /// What the call's spans begin under.
    pub(crate) trace: Trace,
    deadline: AtomicU64,
    touched: AtomicBool,
    end: AtomicU8,
    reason: OnceLock<Arc<str>>,
    waker: AtomicWaker,
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The deadline passed.
    Overdue,
    /// This call broke the instance.
    Failed(Arc<str>),
    /// Another call broke the instance.
    Lost,
    /// No instance could be started for now.
    Refused,
}

impl From<Ended> for CallError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Overdue => Self::DeadlineExceeded,
            Ended::Failed(reason) => Self::Failed(reason),
            Ended::Lost => Self::InstanceLost,
            Ended::Refused => Self::Overloaded,
        }
    }
}

impl Ticket {
    pub(crate) fn new(request_id: Arc<str>, deadline: Instant, trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            request_id,
            trace,
            deadline: AtomicU64::new(clock::millis(deadline)),
            touched: AtomicBool::new(false),
            end: AtomicU8::new(RUNNING),
            reason: OnceLock::new(),
            waker: AtomicWaker::new(),
        })
    }

    /// When the caller gives up.
    pub(crate) fn deadline(&self) -> Instant {
        clock::instant(self.deadline_millis())
    }

    pub(crate) fn deadline_millis(&self) -> u64 {
        self.deadline.load(Ordering::Relaxed)
    }

    /// Moves the deadline, when a response makes progress.
    pub(crate) fn extend(&self, deadline_millis: u64) {
        self.deadline.store(deadline_millis, Ordering::Relaxed);
    }

    /// Something of the call left the instance, or a part of its request is used up: it can't be
    /// tried again.
    pub(crate) fn touch(&self) {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    pub(crate) fn overdue(&self) -> bool {
        self.end.load(Ordering::Acquire) == OVERDUE
    }

    /// Ends the call for its caller. The first end counts; true when this was it.
    pub(crate) fn end(&self, ended: Ended) -> bool {
        let end = match ended {
            Ended::Overdue => OVERDUE,
            Ended::Failed(reason) => {
                // Written before the end is published; nobody else writes another end after that.
                let _ = self.reason.set(reason);
                FAILED
            }
            Ended::Lost => LOST,
            Ended::Refused => REFUSED,
        };
        let first =
            self.end.compare_exchange(RUNNING, end, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if first {
            self.waker.wake();
        }
        first
    }

    /// How the call ended, if it did without an answer. Wakes the task when it does.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.ended() {
            return Poll::Ready(ended);
        }
        self.waker.register(cx.waker());
        self.ended().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.end.load(Ordering::Acquire) {
            RUNNING => None,
            OVERDUE => Some(Ended::Overdue),
            FAILED => {
                Some(Ended::Failed(self.reason.get().cloned().unwrap_or_else(|| "trap".into())))
            }
            REFUSED => Some(Ended::Refused),
            _ => Some(Ended::Lost),
        }
    }
}

/// Waits for a call's answer, or for the reason why none will come.
pub(crate) struct Answer<T> {
    pub(crate) ticket: Arc<Ticket>,
    receiver: Option<oneshot::Receiver<T>>,
}

impl<T> Answer<T> {
    pub(crate) fn new(ticket: Arc<Ticket>, receiver: oneshot::Receiver<T>) -> Self {
        Self { ticket, receiver: Some(receiver) }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // An answer that comes after the end is none: its instance may be going down already.
        if let Some(ended) = self.ticket.ended() {
            return Poll::Ready(Err(ended));
        }
        if let Some(receiver) = &mut self.receiver {
            match Pin::new(receiver).poll(cx) {
                Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
                // The instance is going down; its worker will say whose fault it was.
                Poll::Ready(Err(_)) => self.receiver = None,
                Poll::Pending => {}
            }
        }
        self.ticket.poll_ended(cx).map(Err)
    }
}
