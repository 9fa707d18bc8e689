//! Where `engineioxide` calls us.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engineioxide::{DisconnectReason, Socket, Str, handler::EngineIoHandler, socket::Sid};

use super::{Accept, Consumer, Link, Text};
use crate::sharded::Sharded;

/// Who a session belongs to; kept with it.
#[derive(Default)]
pub(super) struct Slot {
    consumer: OnceLock<Arc<dyn Consumer>>,
}

/// The links of open sessions by their secret id.
pub(super) type Sessions = Sharded<Sid, Arc<Link>>;

/// Receives the library's callbacks.
pub(super) struct Bridge {
    pub(super) accept: Arc<dyn Accept>,
    pub(super) sessions: Arc<Sessions>,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

impl EngineIoHandler for Bridge {
    type Data = Slot;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Slot>>) {
        // The endpoint puts the link there; without it nobody could be told of this session.
        let Some(link) = socket.req_parts.extensions.get::<Arc<Link>>().cloned() else {
            return socket.close(DisconnectReason::TransportError);
        };
        link.attach(&socket);
        self.sessions.insert(socket.id, Arc::clone(&link));
        let consumer = self.accept.open(link);
        let _ = socket.data.consumer.set(consumer);
    }

    fn on_disconnect(&self, socket: Arc<Socket<Slot>>, _: DisconnectReason) {
        self.sessions.remove(&socket.id);
        if let Some(consumer) = socket.data.consumer.get() {
            consumer.closed();
        }
    }

    fn on_message(self: &Arc<Self>, message: Str, socket: Arc<Socket<Slot>>) {
        if let Some(consumer) = socket.data.consumer.get() {
            consumer.text(Text::received(message));
        }
    }

    fn on_binary(self: &Arc<Self>, message: Bytes, socket: Arc<Socket<Slot>>) {
        if let Some(consumer) = socket.data.consumer.get() {
            consumer.binary(message);
        }
    }
}
