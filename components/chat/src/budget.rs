//! A bound on the memory that files take.
//!
//! An instance serves many calls in a memory of some tens of MiB, and a file of 5 MB passes
//! through it in several forms at once. Without a bound a few uploads at a time would end the
//! instance, and every other call on it. So whoever handles a file first acquires about what it
//! will take, and waits, in turn, while others have it. The wait ends with the call's deadline.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

thread_local! {
    /// For files on their way in. One of 5 MB takes about 30 MiB at its peak: body, base64,
    /// document, the stored document that comes back, and the JSON that goes out.
    pub(crate) static UPLOADS: Budget = Budget::new(32 * 1024 * 1024);
    /// For files on their way out. One of 5 MB takes about 14 MiB when it is read: the document,
    /// and the base64 in it.
    pub(crate) static DOWNLOADS: Budget = Budget::new(16 * 1024 * 1024);
}

/// A number of bytes to share.
#[derive(Clone)]
pub(crate) struct Budget(Rc<RefCell<State>>);

struct State {
    total: usize,
    free: usize,
    next_ticket: u64,
    /// First come, first served, so that a large share is not starved by small ones.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    ticket: u64,
    waker: Waker,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Self {
        let state = State { total, free: total, next_ticket: 0, waiting: VecDeque::new() };
        Self(Rc::new(RefCell::new(state)))
    }

    /// A share of so many bytes, all of the budget at most, once it is free.
    pub(crate) fn acquire(&self, bytes: usize) -> Acquire {
        let bytes = bytes.min(self.0.borrow().total);
        Acquire { state: Rc::clone(&self.0), bytes, ticket: None }
    }
}

impl State {
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.waker.wake_by_ref();
        }
    }
}

/// Waits for a share.
pub(crate) struct Acquire {
    state: Rc<RefCell<State>>,
    bytes: usize,
    ticket: Option<u64>,
}

impl Future for Acquire {
    type Output = Share;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Share> {
        let shared = Rc::clone(&self.state);
        let mut state = shared.borrow_mut();
        let is_first = match self.ticket {
            None => state.waiting.is_empty(),
            Some(ticket) => state.waiting.front().is_some_and(|first| first.ticket == ticket),
        };
        if is_first && state.free >= self.bytes {
            if self.ticket.take().is_some() {
                state.waiting.pop_front();
            }
            state.free -= self.bytes;
            // There may be enough left for the next one too.
            state.wake_first();
            return Poll::Ready(Share { state: Rc::clone(&shared), bytes: self.bytes });
        }
        let waker = cx.waker().clone();
        match self.ticket {
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.waiting.push_back(Waiting { ticket, waker });
                self.ticket = Some(ticket);
            }
            Some(ticket) => {
                let mine = state.waiting.iter_mut().find(|waiting| waiting.ticket == ticket);
                if let Some(mine) = mine {
                    mine.waker = waker;
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.state.borrow_mut();
            state.waiting.retain(|waiting| waiting.ticket != ticket);
            state.wake_first();
        }
    }
}

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    state: Rc<RefCell<State>>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        state.free += self.bytes;
        state.wake_first();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use super::{Acquire, Budget, Share};

    fn poll(acquire: &mut Acquire) -> Option<Share> {
        match Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    #[test]
    fn shares_are_given_in_turn_and_come_back() {
        let budget = Budget::new(10);
        let first = poll(&mut budget.acquire(6)).unwrap();
        let mut large = budget.acquire(8);
        assert!(poll(&mut large).is_none());
        let mut small = budget.acquire(1);
        assert!(poll(&mut small).is_none(), "though there is room, the large one is first");
        drop(first);
        let large = poll(&mut large).unwrap();
        let small = poll(&mut small).unwrap();
        drop((large, small));
        assert!(poll(&mut budget.acquire(10)).is_some());
    }

    #[test]
    fn giving_up_lets_the_next_one_through() {
        let budget = Budget::new(10);
        let held = poll(&mut budget.acquire(5)).unwrap();
        let mut large = budget.acquire(10);
        let mut small = budget.acquire(5);
        assert!(poll(&mut large).is_none());
        assert!(poll(&mut small).is_none());
        drop(large);
        assert!(poll(&mut small).is_some());
        drop(held);
    }

    #[test]
    fn more_than_all_is_all() {
        let budget = Budget::new(10);
        let all = poll(&mut budget.acquire(1_000)).unwrap();
        assert!(poll(&mut budget.acquire(1)).is_none());
        drop(all);
    }
}
