//! Who is connected, and where: sockets by id, users, rooms.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    peer::Peer,
    room::{Room, RoomBounds},
    sharded::Sharded,
};

/// All tables of one server.
pub(crate) struct Registry {
    room_bounds: RoomBounds,
    start_window: OnceLock<Duration>,
    max_rooms: usize,
    sockets: Sharded<Arc<str>, Arc<Peer>>,
    users: Sharded<Arc<str>, Vec<Arc<Peer>>>,
    rooms: Sharded<Arc<str>, Arc<Room>>,
    room_count: AtomicUsize,
}

impl Registry {
    pub(crate) fn new(room_bounds: RoomBounds, max_rooms: usize) -> Self {
        Self {
            room_bounds,
            start_window: OnceLock::new(),
            max_rooms,
            sockets: Sharded::default(),
            users: Sharded::default(),
            rooms: Sharded::default(),
            room_count: AtomicUsize::new(0),
        }
    }

    /// Has new rooms wait for the first event, as they must among several hosts.
    pub(crate) fn wait_at_start(&self, window: Duration) {
        // A second cluster was refused before.
        let _ = self.start_window.set(window);
    }

    pub(crate) fn enter(&self, peer: &Arc<Peer>) {
        self.sockets.insert(Arc::clone(&peer.id), Arc::clone(peer));
    }

    /// Counts it among its user's; false if those are too many.
    pub(crate) fn enter_user(&self, user: &Arc<str>, peer: &Arc<Peer>, most: usize) -> bool {
        let mut shard = self.users.shard(&**user).write();
        let peers = shard.entry(Arc::clone(user)).or_default();
        if peers.len() >= most {
            return false;
        }
        peers.push(Arc::clone(peer));
        true
    }

    /// Takes it out of everything but its rooms.
    pub(crate) fn remove(&self, peer: &Arc<Peer>) {
        self.sockets.remove(&*peer.id);
        let Some(socket) = peer.socket.get() else { return };
        let mut shard = self.users.shard(&*socket.user).write();
        if let Some(peers) = shard.get_mut(&*socket.user) {
            peers.retain(|other| other.key() != peer.key());
            if peers.is_empty() {
                shard.remove(&*socket.user);
            }
        }
    }

    pub(crate) fn socket(&self, id: &str) -> Option<Arc<Peer>> {
        self.sockets.get(id)
    }

    pub(crate) fn user(&self, user: &str) -> Vec<Arc<Peer>> {
        self.users.get(user).unwrap_or_default()
    }

    pub(crate) fn room(&self, name: &str) -> Option<Arc<Room>> {
        self.rooms.get(name)
    }

    /// A room, made if need be; None over the bound.
    pub(crate) fn room_or_new(&self, name: &str) -> Option<Arc<Room>> {
        if let Some(room) = self.rooms.get(name) {
            return Some(room);
        }
        let mut shard = self.rooms.shard(name).write();
        if let Some(room) = shard.get(name) {
            return Some(Arc::clone(room));
        }
        if self.room_count.fetch_add(1, Ordering::Relaxed) >= self.max_rooms {
            self.room_count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let name: Arc<str> = Arc::from(name);
        let mut bounds = self.room_bounds;
        bounds.patience.start = self.start_window.get().copied().unwrap_or_default();
        let room = Arc::new(Room::new(Arc::clone(&name), bounds));
        shard.insert(name, Arc::clone(&room));
        Some(room)
    }

    /// Takes a socket out of a room, and the room out of the table if it was the last.
    pub(crate) fn leave(&self, room: &Arc<Room>, key: u64) {
        if room.leave(key) {
            self.forget(room);
        }
    }

    /// Takes a dead room out of the table, unless a new one has its place.
    pub(crate) fn forget(&self, room: &Arc<Room>) {
        let mut shard = self.rooms.shard(&*room.name).write();
        if shard.get(&*room.name).is_some_and(|other| Arc::ptr_eq(other, room)) {
            shard.remove(&*room.name);
            self.room_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn user_count(&self) -> usize {
        self.users.len()
    }

    pub(crate) fn room_count(&self) -> usize {
        self.rooms.len()
    }
}
