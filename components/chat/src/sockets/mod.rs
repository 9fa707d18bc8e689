//! Socket.IO: who may connect, and the two events clients send.
//!
//! A refusal reaches the client as the event `error` with a text, and in the ack if it wants
//! one; the sdk does both. Frames of another shape are refused the same way, never worse.

mod connect;
mod join_chat;
mod send_message;

use pingtalk_sdk::{
    Platform,
    prelude::*,
    sockets::{Admission, Handshake, Message, Refusal, Socket, SocketService},
};

use crate::refusals;

/// Serves the chat's sockets.
pub(crate) struct Chat;

impl SocketService for Chat {
    async fn connect(cx: Platform, handshake: Handshake) -> Result<Admission, Refusal> {
        connect::connect(&cx, &handshake).await
    }

    async fn receive(cx: Platform, socket: Socket, message: Message) -> Result<Option<Ack>> {
        match message.name.as_str() {
            "joinChat" => join_chat::join_chat(&cx, &socket, &message).await,
            "sendMessage" => send_message::send_message(&cx, &socket, &message).await,
            // As the original: what nobody listens to is nobody's business. But whoever waits
            // for an answer gets one.
            _ => Ok(message.wants_ack.then(|| not_done(refusals::UNKNOWN_EVENT))),
        }
    }
}

/// The ack to an event that was ignored without being an error.
fn not_done(why: &str) -> Ack {
    Ack::new(&json!({"ok": false, "error": why}))
}

/// The user of a socket: the one that `connect` admitted.
fn user_of(socket: &Socket) -> Result<Id> {
    Id::parse(&socket.user).ok_or_else(|| Error::internal("the socket's user is no id"))
}

/// The chat that an event names. An id that can't be one is of a chat that does not exist.
fn chat_of(fields: &Fields) -> Result<Id> {
    let text = fields.required_text("chatId", "chatId is required")?;
    Id::parse(text).ok_or_else(refusals::chat_not_found)
}
