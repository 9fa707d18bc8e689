//! `pingtalk:sockets`.

use bytes::Bytes;
use pingtalk_capabilities::sockets::{
    Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket, SocketError, Target,
};

use super::list;
use crate::bindings::pingtalk::sockets::{server, types as wit};

impl From<Handshake> for wit::Handshake {
    fn from(handshake: Handshake) -> Self {
        Self {
            socket: String::from(&*handshake.socket),
            namespace: handshake.namespace,
            cookie: handshake.cookie,
            auth: handshake.auth,
            remote_address: handshake.remote_address,
            query: handshake.query,
        }
    }
}

impl From<wit::Session> for Session {
    fn from(session: wit::Session) -> Self {
        Self {
            user: session.user,
            attachment: Bytes::from(session.attachment),
            rooms: session.rooms,
        }
    }
}

impl From<wit::Refusal> for Refusal {
    fn from(refusal: wit::Refusal) -> Self {
        Self { message: refusal.message, data: refusal.data }
    }
}

impl From<Socket> for wit::Socket {
    fn from(socket: Socket) -> Self {
        Self {
            id: String::from(&*socket.id),
            namespace: String::from(&*socket.namespace),
            user: String::from(&*socket.user),
            attachment: list(socket.attachment),
        }
    }
}

impl From<Message> for wit::Message {
    fn from(message: Message) -> Self {
        Self {
            name: message.name,
            arguments: message.arguments,
            attachments: message.attachments.into_iter().map(list).collect(),
        }
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        Self {
            name: message.name,
            arguments: message.arguments,
            attachments: message.attachments.into_iter().map(Bytes::from).collect(),
        }
    }
}

impl From<wit::Ack> for Ack {
    fn from(ack: wit::Ack) -> Self {
        Self {
            arguments: ack.arguments,
            attachments: ack.attachments.into_iter().map(Bytes::from).collect(),
        }
    }
}

impl From<DisconnectReason> for wit::DisconnectReason {
    fn from(reason: DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Client => Self::Client,
            DisconnectReason::Server => Self::Server,
            DisconnectReason::Transport => Self::Transport,
            DisconnectReason::Overflow => Self::Overflow,
            DisconnectReason::Shutdown => Self::Shutdown,
        }
    }
}

impl From<server::Target> for Target {
    fn from(target: server::Target) -> Self {
        match target {
            server::Target::Socket(id) => Self::Socket(id),
            server::Target::User(id) => Self::User(id),
            server::Target::Room(name) => Self::Room(name),
        }
    }
}

impl From<SocketError> for server::Error {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Denied(what) => Self::Denied(what),
            SocketError::Invalid(why) => Self::Invalid(why),
            SocketError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
