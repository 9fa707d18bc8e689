//! `sendMessage {chatId, text, clientMessageId?}`: a text for everybody in the chat.
//!
//! The ack means stored. A client that got none sends again with the same `clientMessageId` and
//! gets the message that was stored the first time. The text is taken as it is, untrimmed; an
//! empty one is ignored.

use pingtalk_sdk::{
    Platform,
    prelude::*,
    sockets::{Message as Frame, Socket},
};

use super::{chat_of, not_done, user_of};
use crate::{
    conversation,
    message::{Message, check_text, checked_client_id},
    refusals,
    send::{Draft, send},
};

#[derive(Serialize)]
struct Sent<'a> {
    ok: bool,
    message: &'a Message,
}

pub(super) async fn send_message(
    cx: &Platform,
    socket: &Socket,
    frame: &Frame,
) -> Result<Option<Ack>> {
    let fields = frame.fields()?;
    let chat = chat_of(&fields)?;
    let text = fields.text("text")?.unwrap_or_default();
    if text.is_empty() {
        return Ok(frame.wants_ack.then(|| not_done(refusals::EMPTY_MESSAGE)));
    }
    check_text(text)?;
    let client_message_id = checked_client_id(fields.text("clientMessageId")?)?;
    let user = user_of(socket)?;
    let conversation = conversation::of_participant(cx, chat, user).await?;
    let draft = Draft { text: Some(text.to_owned()), file: None, client_message_id };
    let message = send(cx, &conversation, user, draft).await?;
    Ok(frame.wants_ack.then(|| Ack::new(&Sent { ok: true, message: &message })))
}
