//! Accepts sockets by their auth payload and echoes what they send.

use crate::{
    Probe,
    bindings::{
        exports::pingtalk::sockets::handler::{
            Ack, DisconnectReason, Guest, Handshake, Message, Refusal, Session, Socket,
        },
        pingtalk::cache::store as cache,
    },
    hostile,
};

impl Guest for Probe {
    async fn connect(handshake: Handshake) -> Result<Session, Refusal> {
        match handshake.auth {
            Some(user) => Ok(Session {
                user,
                attachment: handshake.query.into_bytes(),
                rooms: vec![handshake.socket, handshake.namespace, handshake.remote_address],
            }),
            None => Err(Refusal { message: "who?".to_owned(), data: handshake.cookie }),
        }
    }

    async fn receive(socket: Socket, message: Message, wants_ack: bool) -> Option<Ack> {
        if message.name == "loop" {
            hostile::compute_for_ever();
        }
        wants_ack.then(|| Ack {
            arguments: format!(
                "[\"{}\",\"{}\",{},{}]",
                socket.user,
                message.name,
                message.arguments,
                socket.attachment.len()
            ),
            attachments: message.attachments,
        })
    }

    async fn disconnect(socket: Socket, reason: DisconnectReason) {
        let _ = cache::set(format!("gone:{}:{reason:?}", socket.id), Vec::new(), 1, false).await;
    }
}
