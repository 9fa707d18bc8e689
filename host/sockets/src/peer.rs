//! A socket: one client in one namespace, as rooms and the registry know it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use pingtalk_capabilities::sockets::{DisconnectReason, Message, Socket};

use crate::{
    backlog::Backlog,
    broadcast::Broadcast,
    connection::Connection,
    core::Core,
    inbox,
    room::{Held, Room},
    spellings::Spelling,
    transport::{Link, Outgoing, SendError},
};

/// Packets that may wait for `connect` to return.
const MAX_EARLY: usize = 256;

/// One client in one namespace.
pub(crate) struct Peer {
    key: u64,
    pub(crate) id: Arc<str>,
    pub(crate) spelling: Spelling,
    pub(crate) core: Arc<Core>,
    pub(crate) link: Arc<Link>,
    pub(crate) backlog: Arc<Backlog>,
    connection: Weak<Connection>,
    /// Set once the component has accepted it.
    pub(crate) socket: OnceLock<Socket>,
    /// What is sent before the client knows that it is connected. None from then on.
    early: Mutex<Option<Early>>,
    ready: AtomicBool,
    gone: AtomicBool,
    /// None once gone.
    pub(crate) rooms: Mutex<Option<HashMap<Arc<str>, Arc<Room>>>>,
    held: Arc<Held>,
    pub(crate) inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Early {
    frames: Vec<Outgoing>,
    bytes: usize,
}

/// What waits for the component, in order.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) items: VecDeque<Item>,
    /// A task is working on it.
    pub(crate) busy: bool,
    /// Nothing follows any more.
    pub(crate) ended: bool,
}

/// One call into the component.
pub(crate) enum Item {
    /// The first: may it connect?
    Connect {
        /// The CONNECT packet's payload.
        auth: Option<String>,
    },
    /// An event.
    Event {
        /// What it says.
        message: Message,
        /// Its ack id.
        ack: Option<u64>,
        /// Its share of the backlog.
        bytes: usize,
    },
    /// The last: it is gone.
    Gone(DisconnectReason),
}

impl Peer {
    pub(crate) fn new(
        core: Arc<Core>,
        connection: &Arc<Connection>,
        spelling: Spelling,
    ) -> Arc<Self> {
        let (key, id) = core.new_id();
        core.entered();
        Arc::new(Self {
            key,
            id,
            spelling,
            core,
            link: Arc::clone(&connection.link),
            backlog: Arc::clone(&connection.backlog),
            connection: Arc::downgrade(connection),
            socket: OnceLock::new(),
            early: Mutex::new(Some(Early::default())),
            ready: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            rooms: Mutex::new(Some(HashMap::new())),
            held: Arc::default(),
            inbox: Mutex::default(),
        })
    }

    /// Cheap to compare and hash; never reused.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    pub(crate) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The namespace as the client spells it.
    pub(crate) fn namespace(&self) -> &str {
        self.core.spellings.text(self.spelling)
    }

    /// Queues an event; false if the client is too slow for it.
    pub(crate) fn send_event(&self, event: &Broadcast) -> bool {
        event.frame(self.spelling, &self.core.spellings).is_none_or(|frame| self.send(frame))
    }

    /// Queues a frame; false if the client is too slow for it. Frames for a socket that is gone
    /// are dropped.
    pub(crate) fn send(&self, frame: Outgoing) -> bool {
        if self.is_gone() {
            return true;
        }
        if !self.ready.load(Ordering::Acquire)
            && let Some(early) = &mut *self.early.lock()
        {
            early.bytes += frame.bytes();
            early.frames.push(frame);
            return early.frames.len() <= MAX_EARLY
                && early.bytes <= self.core.config.send_queue_bytes;
        }
        self.link.send(frame) != Err(SendError::Full)
    }

    /// Queues a frame; a client that is too slow for it is disconnected.
    pub(crate) fn send_or_end(&self, frame: Outgoing) {
        if !self.send(frame) {
            self.overflow();
        }
    }

    /// Tells the client that it is connected, then what was sent since.
    pub(crate) fn welcome(&self) {
        let mut early = self.early.lock();
        let frames = early.take().unwrap_or_default().frames;
        let welcome = pingtalk_packets::connect(self.namespace(), &self.id).into();
        let taken = std::iter::once(welcome)
            .chain(frames)
            .all(|frame| self.link.send(frame) != Err(SendError::Full));
        self.ready.store(true, Ordering::Release);
        drop(early);
        if !taken {
            self.overflow();
        }
    }

    /// Ends the whole connection: the client reads too slowly. It may come back and catch up.
    pub(crate) fn overflow(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.give_up(DisconnectReason::Overflow);
        }
    }

    /// Ends the whole connection, so that the client comes back.
    pub(crate) fn give_up(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.give_up(DisconnectReason::Server);
        }
    }

    /// Sends the client away; it won't come back by itself.
    pub(crate) fn disconnect(self: &Arc<Self>) {
        if self.socket.get().is_some() {
            self.send_or_end(pingtalk_packets::disconnect(self.namespace()).into());
        }
        self.detach(DisconnectReason::Server);
        if let Some(connection) = self.connection.upgrade() {
            connection.forget(self, true);
        }
    }

    /// Refuses it after all, with this frame.
    pub(crate) fn refuse(self: &Arc<Self>, frame: Outgoing) {
        if !self.is_gone() && self.link.send(frame) == Err(SendError::Full) {
            self.overflow();
        }
        self.detach(DisconnectReason::Server);
        if let Some(connection) = self.connection.upgrade() {
            connection.forget(self, false);
        }
    }

    /// The connection has a namespace now.
    pub(crate) fn settled(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.settled();
        }
    }

    /// Takes the socket out of everything: from now on nothing is sent to it. The component hears
    /// of it after it has handled what came before; what came before a disconnection by the
    /// server is dropped.
    pub(crate) fn detach(self: &Arc<Self>, reason: DisconnectReason) {
        if self.gone.swap(true, Ordering::AcqRel) {
            return;
        }
        self.core.registry.remove(self);
        let rooms = self.rooms.lock().take().unwrap_or_default();
        for room in rooms.into_values() {
            self.core.registry.leave(&room, self.key);
        }
        self.early.lock().take();
        if reason == DisconnectReason::Server {
            let dropped = std::mem::take(&mut self.inbox.lock().items);
            for item in dropped {
                if let Item::Event { bytes, .. } = item {
                    self.backlog.done(bytes);
                }
            }
        }
        self.enqueue(Item::Gone(reason));
    }

    /// Has the component called, after everything before.
    pub(crate) fn enqueue(self: &Arc<Self>, item: Item) {
        let mut inbox = self.inbox.lock();
        if inbox.ended {
            return;
        }
        inbox.ended = matches!(item, Item::Gone(_));
        inbox.items.push_back(item);
        if !inbox.busy {
            inbox.busy = true;
            tokio::spawn(inbox::work(Arc::clone(self)));
        }
    }
}
