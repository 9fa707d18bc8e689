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

use super::{chat_of, connect, user_of};
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
    connect::check_again(cx, socket).await?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, SocketCall},
    };

    use super::*;
    use crate::testing::{Person, World};

    /// What was done to sockets since the last look, but for live deliveries.
    fn calls(world: &World, from: usize) -> Vec<SocketCall> {
        world.host.socket_calls()[from..].to_vec()
    }

    fn replayed(calls: &[SocketCall]) -> Vec<u64> {
        let emissions = calls.iter().filter_map(|call| match call {
            SocketCall::Emit(emission) if emission.message.name == "receiveMessage" => {
                Some(emission.sequence.unwrap())
            }
            _ => None,
        });
        emissions.collect()
    }

    fn join(
        world: &World,
        who: &Person,
        chat: Id,
        after: i64,
    ) -> (serde_json::Value, Vec<SocketCall>) {
        let from = world.host.socket_calls().len();
        let ack = world.acked(who, "joinChat", json!({"chatId": chat, "after": after}));
        (ack, calls(world, from))
    }

    #[test]
    fn joining_is_silent() {
        let world = World::new();
        let chat = world.direct();
        world.sent(&world.ben, "joinChat", json!({"chatId": chat}));
        let room = format!("chat:{chat}");
        let ben = world.ben.socket().target();
        assert_eq!(calls(&world, 0), [SocketCall::Join(ben, room, false)]);
    }

    #[test]
    fn the_ack_tells_the_newest_number() {
        let world = World::new();
        let chat = world.direct();
        let ack = world.acked(&world.ben, "joinChat", json!({"chatId": chat}));
        let expected = json!({"ok": true, "lastSequence": 0, "replayed": 0, "complete": true});
        assert_eq!(ack, expected);
        world.say(&world.anna, chat, "x");
        let ack = world.acked(&world.ben, "joinChat", json!({"chatId": chat}));
        assert_eq!(ack["lastSequence"], 1);
    }

    #[test]
    fn refusals() {
        let world = World::new();
        let (chat, unknown) = (world.direct(), world.host.new_id());
        for (who, argument, error) in [
            (&world.zoe, json!({"chatId": chat}), "Not authorized"),
            (&world.anna, json!({"chatId": unknown}), "Chat not found"),
            (&world.anna, json!({"chatId": "x"}), "Chat not found"),
            (&world.anna, json!({"chatId": 1}), "chatId must be a string"),
            (&world.anna, json!({}), "chatId is required"),
            (&world.anna, json!({"chatId": chat, "after": "1"}), "after must be a whole number"),
            (&world.anna, json!({"chatId": chat, "after": -1}), "after must not be negative"),
            (&world.anna, json!("x"), "joinChat needs an object"),
        ] {
            let ack = world.acked(who, "joinChat", argument.clone());
            assert_eq!(ack, json!({"ok": false, "error": error}), "{argument}");
            assert_eq!(world.errors().last().unwrap(), error);
        }
        let joined = calls(&world, 0).into_iter().any(|c| matches!(c, SocketCall::Join(..)));
        assert!(!joined);
    }

    #[test]
    fn what_was_missed_is_replayed_under_a_hold() {
        let world = World::new();
        let chat = world.direct();
        for text in ["1", "2", "3"] {
            world.say(&world.anna, chat, text);
        }
        let (ack, calls) = join(&world, &world.ben, chat, 1);
        let expected = json!({"ok": true, "lastSequence": 3, "replayed": 2, "complete": true});
        assert_eq!(ack, expected);
        let (room, ben) = (format!("chat:{chat}"), world.ben.socket().target());
        assert_eq!(calls[0], SocketCall::Join(ben.clone(), room.clone(), true));
        assert_eq!(replayed(&calls), [2, 3]);
        assert_eq!(calls.last(), Some(&SocketCall::Release(ben.clone(), room, 3)));
        let SocketCall::Emit(second) = &calls[1] else { panic!("{calls:?}") };
        assert_eq!(second.target, ben);
        assert_eq!(second.arguments()[0]["text"], "2");
    }

    #[test]
    fn nothing_missed() {
        let world = World::new();
        let chat = world.direct();
        world.say(&world.anna, chat, "1");
        let (ack, calls) = join(&world, &world.ben, chat, 1);
        let expected = json!({"ok": true, "lastSequence": 1, "replayed": 0, "complete": true});
        assert_eq!(ack, expected);
        assert!(replayed(&calls).is_empty());
        assert!(matches!(calls.last(), Some(SocketCall::Release(_, _, 1))));
    }

    #[test]
    fn more_than_is_replayed_is_said() {
        let world = World::new();
        let chat = world.direct();
        for number in 1..=503 {
            world.say(&world.anna, chat, &number.to_string());
        }
        let (ack, calls) = join(&world, &world.ben, chat, 1);
        let expected = json!({"ok": true, "lastSequence": 503, "replayed": 500, "complete": false});
        assert_eq!(ack, expected);
        let numbers = replayed(&calls);
        assert_eq!((numbers[0], numbers[499]), (4, 503));
        let (ack, _) = join(&world, &world.ben, chat, 3);
        assert_eq!(ack["complete"], true);

        let from = world.host.socket_calls().len();
        world.sent(&world.ben, "joinChat", json!({"chatId": chat, "after": 2}));
        let SocketCall::Emit(gap) = &self::calls(&world, from)[1] else { panic!("no event") };
        assert_eq!(gap.message.name, "historyGap");
        assert_eq!(gap.arguments(), json!([{"chatId": chat, "after": 2, "from": 4}]));
    }

    #[test]
    fn an_after_from_the_future_keeps_nothing_back() {
        let world = World::new();
        let chat = world.direct();
        world.say(&world.anna, chat, "1");
        let (ack, calls) = join(&world, &world.ben, chat, 77);
        let expected = json!({"ok": true, "lastSequence": 1, "replayed": 0, "complete": false});
        assert_eq!(ack, expected);
        assert!(matches!(calls.last(), Some(SocketCall::Release(_, _, 1))));
    }

    #[test]
    fn a_file_is_replayed_whole() {
        let world = World::new();
        let chat = world.direct();
        let form = pingtalk_sdk::fake::post("/send-file")
            .form(&[("chatId", &chat.to_string())], Some(("file", "a.txt", b"abc")));
        assert_eq!(world.ask(&world.anna, form).status, 201);
        let (ack, calls) = join(&world, &world.ben, chat, 0);
        assert_eq!(ack["replayed"], 1);
        let SocketCall::Emit(message) = &calls[1] else { panic!("{calls:?}") };
        assert_eq!(message.arguments()[0]["file"]["data"], "YWJj");
    }

    #[test]
    fn messages_without_a_number_make_a_replay_incomplete() {
        let world = World::new();
        let chat = world.direct();
        World::change_chats(&world.host, Changes::new().set("allNumbered", false));
        world.say(&world.anna, chat, "1");
        assert_eq!(join(&world, &world.ben, chat, 0).0["complete"], false);
        assert_eq!(join(&world, &world.ben, chat, 1).0["complete"], true);
        // The original wrote one since, and it can't be numbered: it is not there yet.
        let theirs = world.host.new_id();
        let moved_on = Changes::new().set("lastMessage", theirs).set("lastNumbered", chat);
        World::change_chats(&world.host, moved_on);
        assert_eq!(join(&world, &world.ben, chat, 1).0["complete"], false);
    }

    #[test]
    fn a_socket_that_outlived_its_session_is_disconnected() {
        let world = World::new();
        let chat = world.direct();
        let platform = world.host.platform();
        let session = pingtalk_sdk::session::check(&platform, &world.ben.token);
        let session = pingtalk_sdk::fake::block_on(session).unwrap();
        let revoke = pingtalk_sdk::session::revoke(&platform, &session);
        pingtalk_sdk::fake::block_on(revoke).unwrap();
        let ack = world.acked(&world.ben, "joinChat", json!({"chatId": chat}));
        let error = "Unauthorized - Invalid or expired token";
        assert_eq!(ack, json!({"ok": false, "error": error}));
        let target = world.ben.socket().target();
        assert_eq!(calls(&world, 0)[0], SocketCall::Disconnect(target, None));
    }

    #[test]
    fn somebody_removed_while_joining_is_out_again() {
        let world = World::new();
        let group = world.group();
        world.say(&world.anna, group, "not for Ben");
        for argument in [json!({"chatId": group}), json!({"chatId": group, "after": 0})] {
            let ben = world.ben.id;
            world.host.before_next_socket_call(move |host| {
                World::change_chats(host, Changes::new().pull("participants", ben));
            });
            let from = world.host.socket_calls().len();
            let ack = world.acked(&world.ben, "joinChat", argument);
            assert_eq!(ack, json!({"ok": false, "error": "Not authorized"}));
            let calls = calls(&world, from);
            let left = SocketCall::Leave(world.ben.socket().target(), format!("chat:{group}"));
            assert!(matches!(calls[0], SocketCall::Join(..)));
            assert_eq!(calls[1], left);
            assert!(replayed(&calls).is_empty());
            World::change_chats(&world.host, Changes::new().add_to_set("participants", ben));
        }
    }

    #[test]
    fn a_failed_replay_leaves_the_room_and_its_hold() {
        let world = World::new();
        let chat = world.direct();
        world.say(&world.anna, chat, "1");
        world.host.before_next_socket_call(|host| {
            host.fail_next(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        });
        let (ack, calls) = join(&world, &world.ben, chat, 0);
        assert_eq!(ack, json!({"ok": false, "error": "Service temporarily unavailable"}));
        let left = SocketCall::Leave(world.ben.socket().target(), format!("chat:{chat}"));
        assert_eq!(calls[1], left);
        assert!(!calls.iter().any(|call| matches!(call, SocketCall::Release(..))));
    }
}
