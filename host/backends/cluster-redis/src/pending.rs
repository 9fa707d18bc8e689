//! What this host says, until Redis has taken it.
//!
//! Callers never wait for room here. When the bounds are exceeded everything is dropped, and an
//! entry that says so takes its place: the others may never have heard of this host, so that the
//! gap in its counts tells them nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{config::Config, entry::Kind};

/// One entry that waits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) count: u64,
    pub(crate) kind: Kind,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Item {
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

struct Waiting {
    item: Item,
    /// Told when Redis has taken it; dropped when nobody is to wait for that.
    taken: Option<oneshot::Sender<()>>,
}

/// What waits, in order.
pub(crate) struct Pending {
    most: usize,
    most_bytes: usize,
    state: Mutex<State>,
    /// Something has come.
    pub(crate) grown: Notify,
    /// Something has gone.
    shrunk: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    last_count: u64,
    /// Redis takes entries, so that it makes sense to wait for it.
    open: bool,
    /// Nothing follows a farewell.
    ended: bool,
    taken: u64,
    dropped: u64,
}

impl State {
    fn count(&mut self) -> u64 {
        self.last_count += 1;
        self.last_count
    }

    fn drop_all(&mut self) {
        let notices = self.waiting.iter().filter(|waiting| is_notice(&waiting.item));
        self.dropped += notices.count() as u64;
        self.waiting.clear();
        self.bytes = 0;
        let count = self.count();
        let item = Item { count, kind: Kind::Dropped, head: Bytes::new(), body: Bytes::new() };
        self.waiting.push_back(Waiting { item, taken: None });
    }
}

/// How much waits and what became of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) waiting: usize,
    pub(crate) bytes: usize,
    pub(crate) taken: u64,
    pub(crate) dropped: u64,
    pub(crate) open: bool,
}

impl Pending {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            most: config.pending_notices.max(2),
            most_bytes: config.pending_bytes,
            state: Mutex::default(),
            grown: Notify::new(),
            shrunk: Notify::new(),
        }
    }

    /// Adds an entry. While Redis takes some, the receiver resolves when it has taken this one, or
    /// with an error when it can't be said when that will be.
    pub(crate) fn push(
        &self,
        kind: Kind,
        head: Bytes,
        body: Bytes,
    ) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        if state.ended {
            return None;
        }
        state.ended = kind == Kind::Farewell;
        let full = state.waiting.len() >= self.most
            || state.bytes.saturating_add(head.len() + body.len()) > self.most_bytes;
        if full && !state.waiting.is_empty() {
            state.drop_all();
        }
        let item = Item { count: state.count(), kind, head, body };
        state.bytes += item.bytes();
        let (taken, receiver) = match state.open {
            true => {
                let (taken, receiver) = oneshot::channel();
                (Some(taken), Some(receiver))
            }
            false => (None, None),
        };
        state.waiting.push_back(Waiting { item, taken });
        drop(state);
        self.grown.notify_one();
        receiver
    }

    /// The first entries, which stay until [`Pending::taken`] says otherwise. At least one, if there
    /// is any.
    pub(crate) fn first(&self, most: usize, most_bytes: usize) -> Vec<Item> {
        let state = self.state.lock();
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            let first = bytes == 0;
            bytes += waiting.item.bytes() + 1;
            first || bytes <= most_bytes
        };
        let fitting = state.waiting.iter().take(most.max(1)).take_while(fits);
        fitting.map(|waiting| waiting.item.clone()).collect()
    }

    /// Redis has taken everything up to this count.
    pub(crate) fn taken(&self, count: u64) {
        let mut state = self.state.lock();
        while let Some(first) = state.waiting.front()
            && first.item.count <= count
        {
            let Some(first) = state.waiting.pop_front() else { break };
            state.bytes -= first.item.bytes();
            state.taken += u64::from(is_notice(&first.item));
            if let Some(taken) = first.taken {
                // Whoever has stopped waiting doesn't mind.
                let _ = taken.send(());
            }
        }
        drop(state);
        self.shrunk.notify_waiters();
    }

    /// Whether Redis takes entries. When it does not, those who wait are sent on.
    pub(crate) fn set_open(&self, open: bool) {
        let mut state = self.state.lock();
        state.open = open;
        if !open {
            for waiting in &mut state.waiting {
                waiting.taken = None;
            }
        }
    }

    /// Waits until nothing waits.
    pub(crate) async fn emptied(&self) {
        loop {
            let shrunk = self.shrunk.notified();
            tokio::pin!(shrunk);
            // From here on it is told; then it looks.
            shrunk.as_mut().enable();
            if self.state.lock().waiting.is_empty() {
                return;
            }
            shrunk.await;
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let state = self.state.lock();
        Figures {
            waiting: state.waiting.len(),
            bytes: state.bytes,
            taken: state.taken,
            dropped: state.dropped,
            open: state.open,
        }
    }
}

fn is_notice(item: &Item) -> bool {
    matches!(item.kind, Kind::Notice | Kind::Beside)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    fn pending(most: usize, most_bytes: usize) -> Pending {
        let bounds =
            Config { pending_notices: most, pending_bytes: most_bytes, ..Config::default() };
        Pending::new(&bounds)
    }

    fn push(pending: &Pending, bytes: usize) -> Option<oneshot::Receiver<()>> {
        pending.push(Kind::Notice, Bytes::new(), Bytes::from(vec![0; bytes]))
    }

    fn counts(pending: &Pending) -> Vec<u64> {
        pending.first(usize::MAX, usize::MAX).iter().map(|item| item.count).collect()
    }

    #[tokio::test]
    async fn what_was_taken_goes_in_order() {
        let pending = pending(10, 1_000);
        assert!(push(&pending, 1).is_none(), "nobody waits while it is closed");
        pending.set_open(true);
        let second = push(&pending, 1).unwrap();
        let third = push(&pending, 1).unwrap();
        assert_eq!(counts(&pending), [1, 2, 3]);
        pending.taken(2);
        second.await.unwrap();
        assert_eq!(counts(&pending), [3]);
        pending.set_open(false);
        third.await.unwrap_err();
        pending.taken(3);
        pending.emptied().await;
        let figures = pending.figures();
        assert_eq!((figures.waiting, figures.bytes, figures.taken), (0, 0, 3));
    }

    #[test]
    fn batches_are_bounded() {
        let pending = pending(10, 10_000);
        for bytes in [500, 10, 10, 10] {
            push(&pending, bytes);
        }
        assert_eq!(pending.first(10, 100).len(), 1, "the first goes whatever its size");
        pending.taken(1);
        assert_eq!(pending.first(10, 25).len(), 2);
        assert_eq!(pending.first(2, 1_000).len(), 2);
        assert_eq!(pending.first(10, 1_000).len(), 3);
    }

    #[test]
    fn too_much_is_dropped_and_that_is_said() {
        for (most, most_bytes) in [(3, 1_000), (100, 30)] {
            let pending = pending(most, most_bytes);
            for _ in 0..4 {
                push(&pending, 10);
            }
            assert_eq!(counts(&pending), [4, 5]);
            assert_eq!(pending.first(1, 1)[0].kind, Kind::Dropped);
            assert_eq!(pending.figures().dropped, 3);
            // What was under way when it was dropped is no longer there to be taken.
            pending.taken(2);
            assert_eq!(counts(&pending), [4, 5]);
            // A single one may exceed the bound.
            pending.taken(5);
            push(&pending, 2_000);
            assert_eq!(counts(&pending), [6]);
        }
    }

    #[test]
    fn nothing_follows_a_farewell() {
        let pending = pending(10, 1_000);
        pending.push(Kind::Farewell, Bytes::new(), Bytes::new());
        push(&pending, 1);
        assert_eq!(counts(&pending), [1]);
    }
}
