//! Traps: breaking the one connection that carries a certain request.

use std::{fmt, sync::Mutex};

use tokio::sync::oneshot;

/// When a sprung trap breaks its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The request never reaches the server.
    BeforeRequest,
    /// The server gets the request; the next thing it says on that connection is lost, with the
    /// connection. With pipelining that can be the reply to an earlier request.
    BeforeReply,
}

/// A trap that was set; see [`crate::FaultProxy::trap`]. Dropping it leaves the trap set.
pub struct Trap(pub(crate) oneshot::Receiver<()>);

impl Trap {
    /// Resolves when the connection has been broken. Also when the proxy is gone or another trap
    /// took this one's place, so a test checks that what it expected of the fault happened.
    pub async fn sprung(self) {
        drop(self.0.await);
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trap")
    }
}

pub(crate) struct Set {
    needle: Vec<u8>,
    pub(crate) cut: Cut,
    pub(crate) sprung: oneshot::Sender<()>,
}

/// The place for the one trap.
#[derive(Default)]
pub(crate) struct Place(Mutex<Option<Set>>);

impl Place {
    pub(crate) fn set(&self, needle: Vec<u8>, cut: Cut) -> Trap {
        let (sprung, wait) = oneshot::channel();
        *self.lock() = Some(Set { needle, cut, sprung });
        Trap(wait)
    }

    /// Takes the trap if the request's bytes hold what it waits for. `seen` holds the end of what
    /// came before, because a request may arrive in pieces.
    pub(crate) fn spring(&self, seen: &mut Vec<u8>, piece: &[u8]) -> Option<Set> {
        let mut place = self.lock();
        let Some(set) = &*place else {
            seen.clear();
            return None;
        };
        seen.extend_from_slice(piece);
        let length = set.needle.len().max(1);
        if seen.windows(length).any(|window| window == set.needle) {
            return place.take();
        }
        seen.drain(..seen.len().saturating_sub(length - 1));
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Set>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
