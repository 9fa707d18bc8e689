//! Storing a message and delivering it: the one way for texts and files.
//!
//! The commit numbers the message within its chat and moves the chat's `lastMessage` along; then
//! the message goes to the chat's room under its number, by which the host keeps the order and
//! drops what a socket has had. Whoever gets an answer knows that the message is stored. If
//! delivering fails after that, nobody is told: receivers catch up when they join again.
//!
//! `lastMessage` is set without a condition. Commits take effect one after the other, so the
//! greatest number's stays; a store that is atomic for single documents only may leave the other
//! of two simultaneous messages there, until the next one.

use pingtalk_sdk::{
    Platform,
    documents::{DocumentError, Outcome, Sequence},
    log,
    prelude::*,
};

use crate::{
    chat::{CHATS, room_of},
    conversation::Conversation,
    message::{File, MESSAGES, Message},
    refusals,
};

/// The socket event that carries a message to its receivers.
pub(crate) const RECEIVE_MESSAGE: &str = "receiveMessage";

/// What a sender wants to say.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: Option<String>,
    pub(crate) file: Option<File>,
    /// Sending again with the same id answers with the first message and stores nothing.
    pub(crate) client_message_id: Option<String>,
}

/// Of a stored message, what the store added.
#[derive(Deserialize)]
struct Numbered {
    seq: i64,
}

/// Stores a draft in a conversation the sender takes part in, and emits it to the room.
///
/// # Errors
/// Those of the store; the message may then be stored or not, which is what the client's id for
/// it is good for.
pub(crate) async fn send(
    platform: &Platform,
    conversation: &Conversation,
    sender: Id,
    draft: Draft,
) -> Result<Message> {
    let message = store(platform, conversation, sender, draft).await?;
    deliver(platform, &message).await;
    Ok(message)
}

async fn store(
    platform: &Platform,
    conversation: &Conversation,
    sender: Id,
    draft: Draft,
) -> Result<Message> {
    let chat = conversation.id;
    let now = platform.now();
    let client_key = draft.client_message_id.as_ref().map(|id| format!("{chat}:{sender}:{id}"));
    let mut message = Message {
        id: platform.new_id(),
        chat_id: chat,
        sender_id: sender,
        text: draft.text,
        file: draft.file,
        read_by: vec![sender],
        seq: None,
        client_message_id: draft.client_message_id,
        created_at: now,
        updated_at: now,
        client_key: client_key.clone(),
    };
    let moved_on = Changes::new()
        .set("lastMessage", message.id)
        .set("lastNumbered", message.id)
        .max("updatedAt", now);
    let moved_on =
        if conversation.is_numbered() { moved_on } else { moved_on.set("allNumbered", false) };
    let transaction = Transaction::new()
        .insert_numbered(&MESSAGES, &message, Sequence::new("seq", ["chatId"]))?
        .update(&CHATS, eq("_id", chat), moved_on);

    let outcomes = match platform.commit(transaction).await {
        Ok(outcomes) => outcomes,
        Err(DocumentError::Conflict(detail)) => {
            return first_sent(platform, client_key, detail).await;
        }
        Err(error) => return Err(error.into()),
    };
    if matches!(outcomes.get(1), Some(Outcome::Unmatched)) {
        // Its last participant took the chat away in between.
        let orphan = eq("_id", message.id);
        platform.commit(Transaction::new().delete(&MESSAGES, orphan)).await?;
        return Err(refusals::chat_not_found());
    }
    // Only the number is read back: with a file, the document is large.
    let Numbered { seq } = outcomes.first(&MESSAGES.view())?;
    message.seq = Some(seq);
    message.client_key = None;
    Ok(message)
}

/// The message that was stored when the client sent this for the first time.
async fn first_sent(
    platform: &Platform,
    client_key: Option<String>,
    detail: String,
) -> Result<Message> {
    let first = match client_key {
        Some(key) => platform.documents().find_one(&MESSAGES, eq("clientKey", key)).await?,
        None => None,
    };
    first.ok_or_else(|| Error::unavailable(format!("message conflicted: {detail}")))
}

/// A message that was sent twice is delivered twice: the first time may have failed, and the
/// host knows which sockets had its number.
async fn deliver(platform: &Platform, message: &Message) {
    let room = room(room_of(message.chat_id));
    let sent = match message.sequence() {
        Some(seq) => platform.sockets().emit_in_order(room, RECEIVE_MESSAGE, message, seq).await,
        None => platform.sockets().emit(room, RECEIVE_MESSAGE, message).await,
    };
    if let Err(error) = sent {
        log::warn(
            "message stored but not delivered",
            &[("message", &message.id), ("chat", &message.chat_id), ("error", &error)],
        );
    }
}
