//! A room: who is in it, in which order its events go out, and for whom they are held back.
//!
//! A room's lock is held while an event is queued for its members: that is what makes the order
//! the same for all, and `leave` immediate. Queueing never waits.

mod gaps;
mod hold;
mod order;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use hold::Hold;
pub(crate) use hold::{Held, HoldBounds};
pub(crate) use order::Patience;
use order::{Order, Verdict};

use crate::{broadcast::Broadcast, peer::Peer};

/// How rooms treat what they keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomBounds {
    pub(crate) patience: Patience,
    pub(crate) hold: HoldBounds,
    pub(crate) hold_timeout: Duration,
}

/// A room with at least one member, or about to go.
pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    bounds: RoomBounds,
    state: Mutex<State>,
}

struct State {
    members: HashMap<u64, Member>,
    order: Order<Waiting>,
    /// A timer is under way that looks after waiting events.
    timer: bool,
    holds: u64,
    /// The last member has left; a newcomer needs a new room.
    dead: bool,
}

struct Member {
    peer: Arc<Peer>,
    /// The socket has what is numbered up to here.
    floor: Option<u64>,
    hold: Option<Hold>,
}

/// An event that came early.
#[derive(Debug)]
struct Waiting {
    event: Arc<Broadcast>,
    except: Option<u64>,
    /// Gone once the event has been queued.
    _done: oneshot::Sender<()>,
}

/// Members whose queue is full. They are disconnected once the room's lock is free.
type Overflown = Vec<Arc<Peer>>;

/// What became of an emit.
pub(crate) enum Emitted {
    /// Queued for all, or seen before.
    Queued,
    /// It came early: queued once this resolves, to whatever.
    Early(oneshot::Receiver<()>),
}

impl Room {
    pub(crate) fn new(name: Arc<str>, bounds: RoomBounds) -> Self {
        let state = State {
            members: HashMap::new(),
            order: Order::new(bounds.patience),
            timer: false,
            holds: 0,
            dead: false,
        };
        Self { name, bounds, state: Mutex::new(state) }
    }

    /// Queues an event for the members but `except`.
    pub(crate) fn emit(
        self: &Arc<Self>,
        event: &Arc<Broadcast>,
        number: Option<u64>,
        except: Option<u64>,
    ) -> Emitted {
        let mut overflown = Overflown::new();
        let mut state = self.state.lock();
        let emitted = self.take(&mut state, event, number, except, &mut overflown);
        drop(state);
        disconnect(overflown);
        emitted
    }

    fn take(
        self: &Arc<Self>,
        state: &mut State,
        event: &Arc<Broadcast>,
        number: Option<u64>,
        except: Option<u64>,
        overflown: &mut Overflown,
    ) -> Emitted {
        if state.members.is_empty() {
            return Emitted::Queued;
        }
        let Some(number) = number else {
            self.deliver(state, event, None, except, overflown);
            return Emitted::Queued;
        };
        let emitted = match state.order.offer(number) {
            Verdict::Seen => return Emitted::Queued,
            Verdict::Now => {
                self.deliver(state, event, Some(number), except, overflown);
                Emitted::Queued
            }
            Verdict::Later => {
                let (done, queued) = oneshot::channel();
                let waiting = Waiting { event: Arc::clone(event), except, _done: done };
                state.order.keep(number, waiting, Instant::now());
                Emitted::Early(queued)
            }
        };
        self.deliver_due(state, overflown);
        emitted
    }

    /// Delivers the events whose turn has come, and has the others looked after.
    fn deliver_due(self: &Arc<Self>, state: &mut State, overflown: &mut Overflown) {
        let Some(due) = state.order.due() else { return };
        let now = Instant::now();
        while let Some((number, waiting)) = state.order.next(now) {
            self.deliver(state, &waiting.event, Some(number), waiting.except, overflown);
        }
        let due = state.order.due().unwrap_or(due);
        if state.order.due().is_some() && !state.timer {
            state.timer = true;
            tokio::spawn(look_after(Arc::downgrade(self), due));
        }
    }

    fn deliver(
        &self,
        state: &mut State,
        event: &Arc<Broadcast>,
        number: Option<u64>,
        except: Option<u64>,
        overflown: &mut Overflown,
    ) {
        for (&key, member) in &mut state.members {
            if except == Some(key) {
                continue;
            }
            if let (Some(number), Some(floor)) = (number, member.floor)
                && number <= floor
            {
                continue;
            }
            let taken = match &mut member.hold {
                Some(hold) => hold.push(number, event, self.bounds.hold),
                None => member.peer.send_event(event),
            };
            if !taken {
                overflown.push(Arc::clone(&member.peer));
            }
        }
    }

    /// Adds a member; false if the room is dead.
    pub(crate) fn join(self: &Arc<Self>, peer: &Arc<Peer>, hold: bool) -> bool {
        let mut state = self.state.lock();
        if state.dead {
            return false;
        }
        state.holds += 1;
        let id = state.holds;
        let member = state.members.entry(peer.key()).or_insert_with(|| Member {
            peer: Arc::clone(peer),
            floor: None,
            hold: None,
        });
        if hold {
            let watch =
                end_unreleased(Arc::downgrade(self), peer.key(), id, self.bounds.hold_timeout);
            let timer = tokio::spawn(watch).abort_handle();
            match &mut member.hold {
                Some(hold) => hold.renew(timer, id),
                None => member.hold = Some(Hold::new(Arc::clone(peer.held()), timer, id)),
            }
        }
        true
    }

    /// Ends a member's hold: what is numbered above `after` follows.
    pub(crate) fn release(self: &Arc<Self>, peer: &Arc<Peer>, after: u64) {
        let mut overflown = Overflown::new();
        let mut state = self.state.lock();
        let Some(member) = state.members.get_mut(&peer.key()) else { return };
        member.floor = member.floor.max(Some(after));
        let held = member.hold.take().map(|hold| hold.release(after)).unwrap_or_default();
        if !held.iter().all(|event| peer.send_event(event)) {
            overflown.push(Arc::clone(peer));
        }
        // Where the history ends, the room's events go on.
        state.order.start(after.saturating_add(1));
        self.deliver_due(&mut state, &mut overflown);
        drop(state);
        disconnect(overflown);
    }

    /// Removes a member; true if it was the last.
    pub(crate) fn leave(&self, key: u64) -> bool {
        let mut state = self.state.lock();
        state.members.remove(&key);
        if !state.members.is_empty() {
            return false;
        }
        state.dead = true;
        // Nobody is left to wait for.
        state.order = Order::new(self.bounds.patience);
        true
    }

    /// Who is in it.
    pub(crate) fn members(&self) -> Vec<Arc<Peer>> {
        self.state.lock().members.values().map(|member| Arc::clone(&member.peer)).collect()
    }

    /// Whether a socket is in it.
    pub(crate) fn contains(&self, key: u64) -> bool {
        self.state.lock().members.contains_key(&key)
    }
}

/// Delivers early events whose predecessor did not come in time.
async fn look_after(room: Weak<Room>, mut due: Instant) {
    loop {
        tokio::time::sleep_until(due.into()).await;
        let Some(room) = room.upgrade() else { return };
        let mut overflown = Overflown::new();
        let mut state = room.state.lock();
        room.deliver_due(&mut state, &mut overflown);
        let next = state.order.due();
        state.timer = next.is_some();
        drop(state);
        disconnect(overflown);
        match next {
            Some(next) => due = next,
            None => return,
        }
    }
}

/// Disconnects a socket whose hold nobody released.
async fn end_unreleased(room: Weak<Room>, key: u64, id: u64, after: Duration) {
    tokio::time::sleep(after).await;
    let Some(room) = room.upgrade() else { return };
    let peer = {
        let state = room.state.lock();
        let member = state.members.get(&key);
        member
            .filter(|member| member.hold.as_ref().is_some_and(|hold| hold.id == id))
            .map(|member| Arc::clone(&member.peer))
    };
    if let Some(peer) = peer {
        // Its own task: leaving the room aborts this one.
        tokio::spawn(async move { peer.give_up() });
    }
}

fn disconnect(overflown: Overflown) {
    for peer in overflown {
        peer.overflow();
    }
}
