//! One Engine.IO connection: reads its packets and keeps its sockets, one for each namespace it
//! connected to.
//!
//! A client that breaks the protocol loses its connection, as with the reference server
//! (socket.io 4.8, `client.ts`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use pingtalk_capabilities::sockets::{DisconnectReason, Message};
use pingtalk_packets::{Bounds, Decoder, Incoming, Malformed};
use tokio::task::AbortHandle;

use crate::{
    backlog::Backlog,
    core::Core,
    peer::{Item, Peer},
    replies,
    spellings::Spelling,
    transport::{Consumer, Link, SendError, Text},
};

/// One client's connection.
pub(crate) struct Connection {
    pub(crate) key: u64,
    core: Arc<Core>,
    pub(crate) link: Arc<Link>,
    pub(crate) backlog: Arc<Backlog>,
    this: std::sync::Weak<Self>,
    state: Mutex<State>,
}

struct State {
    decoder: Decoder,
    peers: Vec<Arc<Peer>>,
    /// Closes a connection that never gets a namespace.
    timer: Option<AbortHandle>,
    closed: bool,
}

impl Connection {
    pub(crate) fn open(core: &Arc<Core>, link: Arc<Link>) -> Arc<Self> {
        let bounds = Bounds {
            attachments: core.config.max_attachments,
            attachment_bytes: core.config.inbound_bytes,
        };
        let state =
            State { decoder: Decoder::new(bounds), peers: Vec::new(), timer: None, closed: false };
        let (key, _) = core.new_id();
        let connection = Arc::new_cyclic(|this| Self {
            key,
            backlog: Arc::new(Backlog::new(Arc::clone(&link), &core.config)),
            core: Arc::clone(core),
            link,
            this: this.clone(),
            state: Mutex::new(state),
        });
        let idle = Arc::downgrade(&connection);
        let patience = core.config.connect_timeout;
        let timer = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            if let Some(connection) = idle.upgrade() {
                connection.end(DisconnectReason::Transport);
            }
        });
        connection.state.lock().timer = Some(timer.abort_handle());
        core.connections.insert(key, Arc::downgrade(&connection));
        connection
    }

    fn take(&self, read: impl FnOnce(&mut Decoder) -> Result<Option<Incoming>, Malformed>) {
        let incoming = {
            let mut state = self.state.lock();
            if state.closed {
                return;
            }
            read(&mut state.decoder)
        };
        let done = match incoming {
            Ok(Some(packet)) => self.dispatch(packet),
            Ok(None) => Ok(()),
            Err(malformed) => Err(malformed),
        };
        if let Err(Malformed(reason)) = done {
            tracing::debug!(reason, "closing a connection");
            self.end(DisconnectReason::Transport);
        }
    }

    fn dispatch(&self, packet: Incoming) -> Result<(), Malformed> {
        match packet {
            Incoming::Connect { namespace, auth } => self.connect(&namespace, auth),
            Incoming::Disconnect { namespace } => {
                let peer = self.peer(&namespace)?;
                peer.detach(DisconnectReason::Client);
                self.forget(&peer, false);
                Ok(())
            }
            Incoming::Event { namespace, message, ack } => {
                let peer = self.peer(&namespace)?;
                let bytes = size(&message);
                if !self.backlog.add(bytes) {
                    self.give_up(DisconnectReason::Server);
                    return Ok(());
                }
                peer.enqueue(Item::Event { message, ack, bytes });
                Ok(())
            }
            Incoming::Nothing { namespace } => self.peer(&namespace).map(|_| ()),
        }
    }

    fn connect(&self, namespace: &str, auth: Option<String>) -> Result<(), Malformed> {
        let Some(spelling) = self.core.spellings.find(namespace) else {
            let refusal =
                pingtalk_packets::connect_error(namespace, &replies::invalid_namespace()).into();
            if self.link.send(refusal) == Err(SendError::Full) {
                self.give_up(DisconnectReason::Overflow);
            }
            return Ok(());
        };
        let Some(this) = self.this.upgrade() else { return Ok(()) };
        if !self.backlog.entered() {
            self.backlog.left();
            return Err(Malformed("connecting too often"));
        }
        let peer = Peer::new(Arc::clone(&self.core), &this, spelling);
        let mut state = self.state.lock();
        let twice = state.peers.iter().any(|other| other.spelling == spelling);
        if twice || state.closed {
            drop(state);
            self.core.left();
            self.backlog.left();
            return Err(Malformed("connecting twice"));
        }
        state.peers.push(Arc::clone(&peer));
        drop(state);
        self.core.registry.enter(&peer);
        peer.enqueue(Item::Connect { auth });
        Ok(())
    }

    fn peer(&self, namespace: &str) -> Result<Arc<Peer>, Malformed> {
        let missing = Malformed("no socket for this namespace");
        let spelling: Spelling = self.core.spellings.find(namespace).ok_or(missing)?;
        let state = self.state.lock();
        state.peers.iter().find(|peer| peer.spelling == spelling).cloned().ok_or(missing)
    }

    /// A namespace has been connected to.
    pub(crate) fn settled(&self) {
        if let Some(timer) = self.state.lock().timer.take() {
            timer.abort();
        }
    }

    /// A socket has left. With `close_if_last` the connection ends when it was the last.
    pub(crate) fn forget(&self, peer: &Arc<Peer>, close_if_last: bool) {
        let last = {
            let mut state = self.state.lock();
            state.peers.retain(|other| !Arc::ptr_eq(other, peer));
            state.peers.is_empty()
        };
        if last && close_if_last {
            self.end(DisconnectReason::Server);
        }
    }

    /// Closes after what is queued has been sent.
    pub(crate) fn end(&self, reason: DisconnectReason) {
        if self.detach_all(reason) {
            self.link.close();
        }
    }

    /// Takes out its sockets now, and closes after a pause what is then an empty connection.
    pub(crate) fn end_after(&self, reason: DisconnectReason, pause: Duration) {
        if self.detach_all(reason) {
            let link = Arc::clone(&self.link);
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                link.close();
            });
        }
    }

    /// Closes at once.
    pub(crate) fn give_up(&self, reason: DisconnectReason) {
        if self.detach_all(reason) {
            self.link.give_up();
        }
    }

    /// Takes out all sockets; false if that was done before.
    fn detach_all(&self, reason: DisconnectReason) -> bool {
        let peers = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.closed, true) {
                return false;
            }
            if let Some(timer) = state.timer.take() {
                timer.abort();
            }
            std::mem::take(&mut state.peers)
        };
        self.core.connections.remove(&self.key);
        for peer in peers {
            peer.detach(reason);
        }
        true
    }
}

impl Consumer for Connection {
    fn text(&self, message: Text) {
        self.take(|decoder| decoder.text(&message));
    }

    fn binary(&self, message: Bytes) {
        self.take(|decoder| decoder.binary(message));
    }

    fn closed(&self) {
        self.give_up(DisconnectReason::Transport);
    }
}

/// Roughly what a waiting event keeps in memory.
fn size(message: &Message) -> usize {
    let attachments: usize = message.attachments.iter().map(Bytes::len).sum();
    message.name.len() + message.arguments.len() + attachments
}
