//! The kinds of calls, each with its way back.

use pingtalk_capabilities::{
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
};
use tokio::sync::oneshot;

use crate::http;

/// A call and where its answer goes.
pub(crate) enum Call {
    Http {
        request: http::Request,
        reply: http::Reply,
    },
    Event {
        event: Event,
        reply: oneshot::Sender<Disposition>,
    },
    Connect {
        handshake: Handshake,
        reply: oneshot::Sender<Result<Session, Refusal>>,
    },
    Receive {
        socket: Socket,
        message: Message,
        wants_ack: bool,
        reply: oneshot::Sender<Option<Ack>>,
    },
    Disconnect {
        socket: Socket,
        reason: DisconnectReason,
        reply: oneshot::Sender<()>,
    },
}

impl Call {
    /// The caller has gone.
    pub(crate) fn abandoned(&self) -> bool {
        match self {
            Self::Http { reply, .. } => reply.is_closed(),
            Self::Event { reply, .. } => reply.is_closed(),
            Self::Connect { reply, .. } => reply.is_closed(),
            Self::Receive { reply, .. } => reply.is_closed(),
            Self::Disconnect { reply, .. } => reply.is_closed(),
        }
    }
}
