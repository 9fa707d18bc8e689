//! `joinChat {chatId, after?}`: the socket receives a chat's messages from now on.
//!
//! With `after`, the number of the last message the client has, it first gets what it missed.
//! The room's events are held back for it meanwhile, so nothing comes twice or out of turn. What
//! it missed is bounded; when there is more, or `after` is a number the chat has not reached, or
//! messages without a number may be among it, the client is told that the replay is not
//! complete: in the ack, or by the event `historyGap {chatId, after, from}` if it wants none.
//! It then has nothing between `after` and `from` and should read the history.
//!
//! Whether the user takes part is checked before joining and again after: somebody who is
//! removed in between would otherwise join once the removal has looked for their sockets.

use pingtalk_sdk::{
    Platform,
    documents::Direction,
    log,
    prelude::*,
    sockets::{Message as Frame, Socket},
};

use super::{chat_of, user_of};
use crate::{
    chat::room_of,
    conversation::{self, Conversation},
    file_data,
    history::{self, Bounds, Page, Position, Span},
    message::Message,
    send::RECEIVE_MESSAGE,
};

/// Most that is replayed: the newest of what was missed.
const REPLAY: Bounds = Bounds {
    messages: 500,
    kept_bytes: 2 * 1024 * 1024,
    sent_bytes: 8 * 1024 * 1024,
    inline: true,
};

/// The ack's argument.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    ok: bool,
    /// The number of the chat's newest message, 0 if there is none.
    last_sequence: i64,
    /// How many messages were replayed.
    replayed: usize,
    /// False when the client lacks messages between `after` and those it was sent.
    complete: bool,
}

/// The event that says so to a client that wants no ack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryGap {
    chat_id: Id,
    after: i64,
    /// The first number the client has or will get after the gap.
    from: i64,
}

pub(super) async fn join_chat(
    cx: &Platform,
    socket: &Socket,
    frame: &Frame,
) -> Result<Option<Ack>> {
    let fields = frame.fields()?;
    let chat = chat_of(&fields)?;
    let after = fields.integer("after")?;
    if after.is_some_and(|after| after < 0) {
        return Err(Error::bad_request("after must not be negative"));
    }
    let user = user_of(socket)?;
    conversation::of_participant(cx, chat, user).await?;

    let room = room_of(chat);
    match after {
        None => cx.sockets().join(socket.target(), &room).await?,
        Some(_) => cx.sockets().join_held(socket.target(), &room).await?,
    }
    match joined(cx, socket, frame, chat, after).await {
        Ok(joined) => Ok(frame.wants_ack.then(|| Ack::new(&joined))),
        Err(error) => {
            // Leaving ends the hold too. What the client asked for did not happen.
            if let Err(error) = cx.sockets().leave(socket.target(), &room).await {
                log::warn("socket did not leave", &[("room", &room), ("error", &error)]);
            }
            Err(error)
        }
    }
}

/// The rest, once the socket is in the room.
async fn joined(
    cx: &Platform,
    socket: &Socket,
    frame: &Frame,
    chat: Id,
    after: Option<i64>,
) -> Result<Joined> {
    let conversation = conversation::of_participant(cx, chat, user_of(socket)?).await?;
    let Some(after) = after else {
        // Only the ack tells the number.
        let last_sequence =
            if frame.wants_ack { history::last_sequence(cx, chat).await? } else { 0 };
        return Ok(Joined { ok: true, last_sequence, replayed: 0, complete: true });
    };

    let last = history::last_sequence(cx, chat).await?;
    let page = missed(cx, &conversation, after).await?;
    let complete = !page.more && after <= last && conversation.can_replay_from(after);
    let newest = page.messages.last().and_then(|message| message.seq);
    if !complete && !frame.wants_ack {
        let oldest = page.messages.first().and_then(|message| message.seq);
        let gap = HistoryGap { chat_id: chat, after, from: oldest.unwrap_or(last + 1) };
        cx.sockets().emit(socket.target(), "historyGap", &gap).await?;
    }
    let replayed = page.messages.len();
    for message in page.messages {
        replay(cx, socket, message).await?;
    }
    // An `after` from the future must not keep back what comes.
    let had = newest.unwrap_or_else(|| after.min(last));
    let had = u64::try_from(had).unwrap_or(0);
    cx.sockets().release(socket.target(), &room_of(chat), had).await?;
    let last_sequence = last.max(newest.unwrap_or(0));
    Ok(Joined { ok: true, last_sequence, replayed, complete })
}

/// The newest messages after a number, as many as are replayed.
async fn missed(cx: &Platform, conversation: &Conversation, after: i64) -> Result<Page> {
    let span = Span { after: Some(Position::Numbered(after)), before: None };
    history::read(cx, conversation, span, Direction::Descending, REPLAY).await
}

async fn replay(cx: &Platform, socket: &Socket, mut message: Message) -> Result<()> {
    // Held until the message is on its way.
    let mut share = None;
    if let Some(file) = &mut message.file
        && let Some(data) = file_data::read(cx, message.id, file).await?
    {
        file.data = Some(String::from_utf8_lossy(&data.base64).into_owned());
        share = Some(data.share);
    }
    let seq = message.sequence().unwrap_or(0);
    cx.sockets().emit_in_order(socket.target(), RECEIVE_MESSAGE, &message, seq).await?;
    drop(share);
    Ok(())
}
