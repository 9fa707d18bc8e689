//! What all parts of one server share.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use pingtalk_capabilities::{
    calls::SocketHandler,
    sockets::{MAX_ROOMS, SocketError, Target},
};
use rand::distr::{Alphanumeric, SampleString};
use tokio::sync::oneshot;

use crate::{
    broadcast::Broadcast,
    cluster::Membership,
    config::Config,
    connection::Connection,
    peer::Peer,
    registry::Registry,
    room::{Emitted, HoldBounds, Patience, RoomBounds},
    sharded::Sharded,
    spellings::Spellings,
    transport::{Accept, Consumer, Link},
};

/// Random characters of a public socket id: 119 bits.
const ID_LENGTH: usize = 20;

/// The shared state.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) spellings: Spellings,
    pub(crate) registry: Registry,
    pub(crate) connections: Sharded<u64, Weak<Connection>>,
    handler: RwLock<Option<Arc<dyn SocketHandler>>>,
    membership: OnceLock<Membership>,
    next_key: AtomicU64,
    next_request: AtomicU64,
    /// Sockets the component has not heard the last of.
    unfinished: AtomicUsize,
}

impl Core {
    pub(crate) fn new(config: Config) -> Self {
        let bounds = RoomBounds {
            patience: Patience {
                window: config.reorder_window,
                start: Duration::ZERO,
                events: config.reorder_events,
            },
            hold: HoldBounds { events: config.hold_events, bytes: config.hold_bytes },
            hold_timeout: config.hold_timeout,
        };
        Self {
            spellings: Spellings::new(&config.namespaces),
            registry: Registry::new(bounds, config.max_rooms),
            connections: Sharded::default(),
            handler: RwLock::new(None),
            membership: OnceLock::new(),
            next_key: AtomicU64::new(1),
            next_request: AtomicU64::new(1),
            unfinished: AtomicUsize::new(0),
            config,
        }
    }

    pub(crate) fn serve(&self, handler: Arc<dyn SocketHandler>) {
        *self.handler.write() = Some(handler);
    }

    pub(crate) fn handler(&self) -> Option<Arc<dyn SocketHandler>> {
        self.handler.read().clone()
    }

    /// Becomes one of several hosts; false if it is one already.
    pub(crate) fn join_cluster(&self, membership: Membership) -> bool {
        self.registry.wait_at_start(self.config.start_window);
        self.membership.set(membership).is_ok()
    }

    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.membership.get()
    }

    /// A key for us and an id for the world. The id is no secret, but must not be guessable from
    /// another one: it addresses a socket.
    pub(crate) fn new_id(&self) -> (u64, Arc<str>) {
        let mut id = self.membership().map(|member| member.mark.clone()).unwrap_or_default();
        Alphanumeric.append_string(&mut rand::rng(), &mut id, ID_LENGTH);
        (self.next_key.fetch_add(1, Ordering::Relaxed), Arc::from(id))
    }

    pub(crate) fn request_id(&self, socket: &str) -> Arc<str> {
        let number = self.next_request.fetch_add(1, Ordering::Relaxed);
        Arc::from(format!("{socket}-{number}"))
    }

    pub(crate) fn entered(&self) {
        self.unfinished.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn left(&self) {
        self.unfinished.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished.load(Ordering::Acquire)
    }

    /// The sockets a target means, now.
    pub(crate) fn targets(&self, target: &Target) -> Vec<Arc<Peer>> {
        match target {
            Target::Socket(id) => self.registry.socket(id).into_iter().collect(),
            Target::User(user) => self.registry.user(user),
            Target::Room(room) => {
                self.registry.room(room).map(|room| room.members()).unwrap_or_default()
            }
        }
    }

    /// Whether a target has sockets here.
    pub(crate) fn has(&self, target: &Target) -> bool {
        match target {
            Target::Socket(id) => self.registry.socket(id).is_some(),
            Target::User(user) => !self.registry.user(user).is_empty(),
            Target::Room(room) => self.registry.room(room).is_some(),
        }
    }

    /// Queues an event for a target's sockets here. If it came before its turn, the receiver
    /// resolves when that came, or when nobody is left to send it to.
    pub(crate) fn emit(
        &self,
        target: &Target,
        event: &Arc<Broadcast>,
        sequence: Option<u64>,
        except: Option<&str>,
    ) -> Option<oneshot::Receiver<()>> {
        let except = except.and_then(|id| self.registry.socket(id)).map(|peer| peer.key());
        if let Target::Room(name) = target {
            return match self.registry.room(name)?.emit(event, sequence, except) {
                Emitted::Early(queued) => Some(queued),
                Emitted::Queued => None,
            };
        }
        for peer in self.targets(target) {
            if except != Some(peer.key()) && !peer.send_event(event) {
                peer.overflow();
            }
        }
        None
    }

    /// Adds a target's sockets here to a room.
    pub(crate) fn join_all(
        &self,
        target: &Target,
        room: &str,
        hold: bool,
    ) -> Result<(), SocketError> {
        self.targets(target).iter().try_for_each(|peer| self.join(peer, room, hold))
    }

    /// Ends the holds of a target's sockets here.
    pub(crate) fn release_all(&self, target: &Target, room: &str, after: u64) {
        if let Some(room) = self.registry.room(room) {
            for peer in self.targets(target) {
                room.release(&peer, after);
            }
        }
    }

    /// Removes a target's sockets here from a room.
    pub(crate) fn leave_all(&self, target: &Target, room: &str) {
        for peer in self.targets(target) {
            self.leave(&peer, room);
        }
    }

    /// Disconnects a target's sockets here, but for those in the room `except`.
    pub(crate) fn disconnect_all(&self, target: &Target, except: Option<&str>) {
        let spared = except.and_then(|room| self.registry.room(room));
        for peer in self.targets(target) {
            if !spared.as_ref().is_some_and(|room| room.contains(peer.key())) {
                peer.disconnect();
            }
        }
    }

    /// Adds a socket to a room. One that is gone joins nothing.
    pub(crate) fn join(&self, peer: &Arc<Peer>, name: &str, hold: bool) -> Result<(), SocketError> {
        // Held throughout, so that a socket that goes meanwhile leaves this room as well.
        let mut rooms = peer.rooms.lock();
        let Some(rooms) = rooms.as_mut() else { return Ok(()) };
        if let Some(room) = rooms.get(name) {
            room.join(peer, hold);
            return Ok(());
        }
        if rooms.len() >= MAX_ROOMS {
            return Err(SocketError::Invalid(format!("a socket can be in {MAX_ROOMS} rooms")));
        }
        loop {
            let Some(room) = self.registry.room_or_new(name) else {
                return Err(SocketError::Unavailable("too many rooms".to_owned()));
            };
            if room.join(peer, hold) {
                rooms.insert(Arc::clone(&room.name), room);
                return Ok(());
            }
            // Its last member left between the two steps.
            self.registry.forget(&room);
        }
    }

    /// Removes a socket from a room.
    pub(crate) fn leave(&self, peer: &Arc<Peer>, name: &str) {
        let mut rooms = peer.rooms.lock();
        if let Some(room) = rooms.as_mut().and_then(|rooms| rooms.remove(name)) {
            self.registry.leave(&room, peer.key());
        }
    }
}

/// Opens connections for the transport.
pub(crate) struct Front(pub(crate) Arc<Core>);

impl Accept for Front {
    fn open(&self, link: Arc<Link>) -> Arc<dyn Consumer> {
        Connection::open(&self.0, link)
    }
}
