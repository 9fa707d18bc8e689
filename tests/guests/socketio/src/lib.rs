//! The server side of the Socket.IO 5 protocol suite as a component: tells the auth payload, sends
//! messages back, acknowledges. The namespace `/custom` only tells the payload.

use pingtalk_sdk::{
    Platform,
    prelude::*,
    sockets::{Admission, Handshake, Message, Refusal, Socket, SocketService, socket},
};

pingtalk_sdk::service! {
    http: routes,
    sockets: Suite,
}

/// The host wants an HTTP side to route to; the suite has no use for it.
fn routes() -> Router {
    Router::new()
}

struct Suite;

impl SocketService for Suite {
    async fn connect(
        cx: Platform,
        handshake: Handshake,
    ) -> std::result::Result<Admission, Refusal> {
        let auth = handshake.auth.unwrap_or_else(|| "{}".to_owned());
        let told = Message {
            name: "auth".to_owned(),
            arguments: format!("[{auth}]"),
            attachments: Vec::new(),
            wants_ack: false,
        };
        let sent = cx.sockets().emit_message(socket(handshake.socket), told, None, None).await;
        sent.map_err(|error| Refusal::new(error.to_string()))?;
        Ok(Admission { user: "suite".to_owned(), attachment: Vec::new(), rooms: Vec::new() })
    }

    async fn receive(cx: Platform, from: Socket, message: Message) -> Result<Option<Ack>> {
        if from.namespace != "/" {
            return Ok(None);
        }
        match message.name.as_str() {
            "message" => {
                let back = Message { name: "message-back".to_owned(), ..message };
                cx.sockets().emit_message(from.target(), back, None, None).await?;
                Ok(None)
            }
            "message-with-ack" => {
                Ok(Some(Ack { arguments: message.arguments, attachments: message.attachments }))
            }
            _ => Ok(None),
        }
    }
}
