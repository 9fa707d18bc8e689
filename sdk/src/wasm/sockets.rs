//! `pingtalk:sockets/handler`: a socket's life, as a service's trait sees it.

use super::bindings::capabilities::pingtalk::sockets::types as wit;
use crate::sockets::{self, DisconnectReason, Handshake, Message, Socket, SocketService};

/// A client wants to connect.
///
/// # Errors
/// The service's refusal.
pub async fn connect<S: SocketService>(
    handshake: wit::Handshake,
) -> Result<wit::Session, wit::Refusal> {
    let handshake = Handshake {
        socket: handshake.socket,
        namespace: handshake.namespace,
        cookie: handshake.cookie,
        auth: handshake.auth,
        remote_address: handshake.remote_address,
        query: handshake.query,
    };
    match S::connect(super::platform(), handshake).await {
        Ok(admitted) => Ok(wit::Session {
            user: admitted.user,
            attachment: admitted.attachment,
            rooms: admitted.rooms,
        }),
        Err(refusal) => Err(wit::Refusal { message: refusal.message, data: refusal.data }),
    }
}

/// A client sent an event.
pub async fn receive<S: SocketService>(
    from: wit::Socket,
    message: wit::Message,
    wants_ack: bool,
) -> Option<wit::Ack> {
    let message = Message {
        name: message.name,
        arguments: message.arguments,
        attachments: message.attachments.into_iter().map(Into::into).collect(),
        wants_ack,
    };
    let ack = sockets::receive::<S>(super::platform(), socket(from), message).await?;
    let attachments = ack.attachments.into_iter().map(Vec::from).collect();
    Some(wit::Ack { arguments: ack.arguments, attachments })
}

/// A socket is gone.
pub async fn disconnect<S: SocketService>(from: wit::Socket, reason: wit::DisconnectReason) {
    let reason = match reason {
        wit::DisconnectReason::Client => DisconnectReason::Client,
        wit::DisconnectReason::Server => DisconnectReason::Server,
        wit::DisconnectReason::Transport => DisconnectReason::Transport,
        wit::DisconnectReason::Overflow => DisconnectReason::Overflow,
        wit::DisconnectReason::Shutdown => DisconnectReason::Shutdown,
    };
    S::disconnect(super::platform(), socket(from), reason).await;
}

fn socket(socket: wit::Socket) -> Socket {
    Socket {
        id: socket.id,
        namespace: socket.namespace,
        user: socket.user,
        attachment: socket.attachment,
    }
}
