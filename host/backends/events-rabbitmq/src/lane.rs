//! The events of one queue that this process holds: those that arrived, and how many are in hand.
//!
//! One consumer fills it ([`crate::consumer`]); any number of calls of `next` empty it. What is
//! dropped unsettled goes back to its front rather than to the broker, which would count it as a
//! failed delivery: a host that is merely busy must not make a dead letter of it. When the last
//! holder of a lane goes, its consumer ends, and the broker gives what is here to others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lapin::Acker;
use tokio::{
    sync::{Notify, futures::Notified, mpsc, oneshot},
    task::AbortHandle,
};

use crate::{
    consumer, error::Error, link::Link, memory::Memory, message::Message, names::Declared,
    publisher::Publisher, topology::Topology,
};

/// Questions after the depth that may wait.
const MAX_ASKED: usize = 16;

/// A queue as one release declared it, and the way to move its events to where they wait or lie dead.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) queue: Arc<Declared>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) mover: Arc<Publisher>,
}

/// What a lane and its consumer need.
pub(crate) struct Source {
    /// As the release declared it that was the first to hold the lane.
    pub(crate) route: Route,
    pub(crate) receiving: Arc<Link>,
    pub(crate) prefetch: u16,
    /// Events that a consumer here has handled.
    pub(crate) handled: Memory,
}

pub(crate) struct Lane {
    pub(crate) source: Arc<Source>,
    shelf: Arc<Shelf>,
    consumer: Mutex<Option<Running>>,
}

struct Running {
    task: AbortHandle,
    asked: mpsc::Sender<oneshot::Sender<u64>>,
}

/// The part that the consumer shares.
#[derive(Default)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Counts the consumer's channels: with its channel, a delivery is over.
    generation: u64,
    ready: VecDeque<Arrived>,
    in_hand: u64,
}

#[derive(Default, Clone)]
enum Phase {
    #[default]
    Starting,
    Running,
    Down(Error),
}

/// An event that arrived, with the way to acknowledge it.
pub(crate) struct Arrived {
    pub(crate) message: Message,
    pub(crate) acker: Acker,
    /// Whether it was delivered before, to anybody.
    pub(crate) redelivered: bool,
    generation: u64,
}

/// What a consumer does next.
pub(crate) enum Step {
    Deliver(Box<Arrived>),
    Wait,
    Fail(Error),
}

impl Lane {
    pub(crate) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), shelf: Arc::default(), consumer: Mutex::default() }
    }

    /// Starts consuming, on the current runtime, unless that is under way.
    pub(crate) fn start(&self) {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if consumer.as_ref().is_some_and(|running| !running.task.is_finished()) {
            return;
        }
        self.shelf.starting();
        let (asked, asks) = mpsc::channel(MAX_ASKED);
        let run = consumer::run(Arc::clone(&self.source), Arc::clone(&self.shelf), asks);
        let task = tokio::spawn(run).abort_handle();
        *consumer = Some(Running { task, asked });
    }

    /// Resolves at the next change. Make it before [`Self::step`], so that none is missed.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.shelf.changed.notified()
    }

    pub(crate) fn step(&self) -> Step {
        let mut state = self.shelf.lock();
        if let Some(arrived) = state.ready.pop_front() {
            state.in_hand += 1;
            return Step::Deliver(Box::new(arrived));
        }
        match &state.phase {
            Phase::Down(error) => Step::Fail(error.clone()),
            Phase::Starting | Phase::Running => Step::Wait,
        }
    }

    /// Events waiting in the queue and held here, counted at one moment; none when nothing is
    /// consumed here.
    pub(crate) async fn depth(&self) -> Option<u64> {
        let (answer, mut depth) = oneshot::channel();
        let asked = {
            let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
            consumer.as_ref().map(|running| running.asked.clone())
        };
        asked?.try_send(answer).ok()?;
        loop {
            let changed = self.changed();
            if !self.shelf.is_running() {
                return None;
            }
            tokio::select! {
                depth = &mut depth => return depth.ok(),
                () = changed => {}
            }
        }
    }

    /// A delivery comes back unsettled: it is next.
    pub(crate) fn returned(&self, arrived: Arrived) {
        let mut state = self.shelf.lock();
        if arrived.generation != state.generation {
            return;
        }
        state.in_hand = state.in_hand.saturating_sub(1);
        state.ready.push_front(arrived);
        drop(state);
        self.shelf.changed.notify_waiters();
    }

    /// A delivery is settled, or over.
    pub(crate) fn settled(&self, arrived: &Arrived) {
        let mut state = self.shelf.lock();
        if arrived.generation == state.generation {
            state.in_hand = state.in_hand.saturating_sub(1);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let consumer = self.consumer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = consumer {
            // Its channel goes with it, and the broker takes everything back.
            running.task.abort();
        }
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starting(&self) {
        self.lock().phase = Phase::Starting;
    }

    /// Deliveries come from now on.
    pub(crate) fn running(&self) {
        self.lock().phase = Phase::Running;
    }

    fn is_running(&self) -> bool {
        matches!(self.lock().phase, Phase::Running)
    }

    /// The channel is gone, and with it every delivery: the broker makes them again.
    pub(crate) fn down(&self, error: Error) {
        let mut state = self.lock();
        state.phase = Phase::Down(error);
        state.generation += 1;
        state.ready.clear();
        state.in_hand = 0;
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn arrived(&self, message: Message, acker: Acker, redelivered: bool) {
        let mut state = self.lock();
        let generation = state.generation;
        state.ready.push_back(Arrived { message, acker, redelivered, generation });
        drop(state);
        self.changed.notify_waiters();
    }

    /// Events held here, in hand or not.
    pub(crate) fn held(&self) -> u64 {
        let state = self.lock();
        state.in_hand + u64::try_from(state.ready.len()).unwrap_or(u64::MAX)
    }
}
