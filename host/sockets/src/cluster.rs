//! This host among others: tells them what is done to sockets, and does what they tell.
//!
//! A deed is done here first and then told, so that a host's own clients never wait for the bus.
//! What comes from others is done in the bus's order, one notice after the other. A host that may
//! have missed some closes its connections: their clients come back, authenticate again and catch
//! up, which nothing else would make them do.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use pingtalk_capabilities::{
    cluster::{Body, Cluster, Received, Subscription},
    sockets::{DisconnectReason, Target},
};
use rand::{
    Rng,
    distr::{Alphanumeric, SampleString},
};
use tokio::task::{JoinHandle, yield_now};

use crate::{
    broadcast::Broadcast,
    core::Core,
    notice::{self, Deed, Head},
};

/// Characters that begin the ids of all sockets of one host: 35 random bits.
const MARK_LENGTH: usize = 6;

/// Notices done in a row before other tasks have their turn.
const TURNS: u64 = 32;

/// A host's place in a cluster.
pub(crate) struct Membership {
    pub(crate) bus: Arc<dyn Cluster>,
    /// The beginning of this host's socket ids, so that it knows its own when they are gone.
    pub(crate) mark: String,
}

impl Membership {
    pub(crate) fn new(bus: Arc<dyn Cluster>) -> Self {
        Self { bus, mark: Alphanumeric.sample_string(&mut rand::rng(), MARK_LENGTH) }
    }
}

/// Listens until dropped.
pub(crate) struct Listening(JoinHandle<()>);

impl Listening {
    pub(crate) fn start(core: &Arc<Core>, subscription: Box<dyn Subscription>) -> Self {
        Self(tokio::spawn(listen(Arc::downgrade(core), subscription)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(core: Weak<Core>, mut subscription: Box<dyn Subscription>) {
    for turn in 1_u64.. {
        let received = subscription.next().await;
        let Some(core) = core.upgrade() else { return };
        match received {
            Received::Notice { head, body } => match Head::decode(head) {
                Some(head) => core.obey(head, body, &mut *subscription).await,
                None => tracing::warn!("another host sent a notice of an unknown kind"),
            },
            Received::Lost(reason) => core.reset(&reason),
        }
        drop(core);
        // Notices can come faster than this thread's other tasks would like; but one at a time would
        // be too slow among many tasks, and late for the rooms' order.
        if turn % TURNS == 0 {
            yield_now().await;
        }
    }
}

impl Core {
    /// Tells the other hosts, if there are any and one of them may have such a socket.
    pub(crate) async fn tell(
        &self,
        target: &Target,
        message: Option<&Broadcast>,
        deed: impl FnOnce() -> Deed,
    ) {
        let Some(membership) = self.membership() else { return };
        if let Target::Socket(id) = target {
            // Connected here, or it was.
            if id.starts_with(&membership.mark) || self.registry.socket(id).is_some() {
                return;
            }
        }
        let head = Head { target: target.clone(), deed: deed() };
        if let Some(notice) = head.encode(message) {
            membership.bus.publish(notice).await;
        }
    }

    /// Does what another host said.
    async fn obey(&self, head: Head, body: Body, subscription: &mut dyn Subscription) {
        let Head { target, deed } = head;
        match deed {
            Deed::Emit { sequence, except } => {
                if !self.has(&target) {
                    return;
                }
                let Some(body) = subscription.fetch(body).await else {
                    return self.reset("the body of a notice is gone");
                };
                let message = notice::decode_message(body);
                match message.map(|message| Broadcast::new(message, &self.spellings)) {
                    Some(Ok(event)) => {
                        // Whether it must wait for its turn is the room's business.
                        let _ = self.emit(&target, &Arc::new(event), sequence, except.as_deref());
                    }
                    _ => tracing::warn!("another host emitted a malformed message"),
                }
            }
            Deed::Join { room, hold } => {
                // The caller can't be told any more.
                if let Err(error) = self.join_all(&target, &room, hold) {
                    tracing::warn!(%error, "a socket could not join a room as another host said");
                }
            }
            Deed::Release { room, after } => self.release_all(&target, &room, after),
            Deed::Leave { room } => self.leave_all(&target, &room),
            Deed::Disconnect { except } => self.disconnect_all(&target, except.as_deref()),
        }
    }

    /// Closes all connections, spread over a while: something may have been missed.
    ///
    /// All of them stop receiving at once. With a later message before it reconnects, a client
    /// would ask for what came after that one, and never get what was missed.
    fn reset(&self, reason: &str) {
        let connections = self.connections.values();
        tracing::warn!(
            reason,
            connections = connections.len(),
            "notices of other hosts may be lost: clients are to reconnect and catch up"
        );
        let spread = self.config.reset_spread;
        for connection in connections.iter().filter_map(Weak::upgrade) {
            let pause = rand::rng().random_range(Duration::ZERO..=spread);
            connection.end_after(DisconnectReason::Transport, pause);
        }
    }
}
