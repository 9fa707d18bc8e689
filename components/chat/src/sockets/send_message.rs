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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, SocketCall},
        sockets::SocketError,
    };

    use super::*;
    use crate::{message::MAX_TEXT_BYTES, testing::World};

    #[test]
    fn a_text_is_stored_and_delivered() {
        let world = World::new();
        let chat = world.direct();
        world.host.advance(std::time::Duration::from_secs(1));
        let message = world.say(&world.ben, chat, "  hi \n");
        assert_eq!(
            message,
            json!({
                "_id": message["_id"],
                "chatId": chat,
                "senderId": world.ben.id,
                "text": "  hi \n",
                "readBy": [world.ben.id],
                "seq": 1,
                "createdAt": "2026-01-02T03:04:06.678Z",
                "updatedAt": "2026-01-02T03:04:06.678Z",
            })
        );
        let emissions = world.host.emissions();
        assert_eq!(emissions.len(), 1);
        assert_eq!(emissions[0].target, room(format!("chat:{chat}")));
        assert_eq!(emissions[0].message.name, "receiveMessage");
        assert_eq!(emissions[0].sequence, Some(1));
        assert_eq!(emissions[0].except, None);
        assert_eq!(emissions[0].arguments(), json!([message]));
        let stored = &world.chats()[0];
        assert_eq!(json!(stored.last_message), message["_id"]);
        assert_eq!(json!(stored.updated_at), message["updatedAt"]);
    }

    #[test]
    fn without_an_ack_nothing_is_answered() {
        let world = World::new();
        let chat = world.direct();
        world.sent(
            &world.anna,
            "sendMessage",
            json!({"chatId": chat, "text": "x", "senderId": "me"}),
        );
        assert_eq!(world.messages()[0].sender_id, world.anna.id);
        assert!(world.errors().is_empty());
    }

    #[test]
    fn each_chat_counts_for_itself() {
        let world = World::new();
        let (direct, group) = (world.direct(), world.group());
        assert_eq!(world.say(&world.anna, direct, "1")["seq"], 1);
        assert_eq!(world.say(&world.anna, direct, "2")["seq"], 2);
        assert_eq!(world.say(&world.anna, group, "1")["seq"], 1);
        assert_eq!(world.say(&world.ben, direct, "3")["seq"], 3);
    }

    #[test]
    fn an_empty_text_is_ignored() {
        let world = World::new();
        let chat = world.direct();
        for argument in [
            json!({"chatId": chat}),
            json!({"chatId": chat, "text": ""}),
            json!({"chatId": chat, "text": null}),
        ] {
            world.sent(&world.anna, "sendMessage", argument.clone());
            let ack = world.acked(&world.anna, "sendMessage", argument);
            assert_eq!(ack, json!({"ok": false, "error": "Message is empty"}));
        }
        assert!(world.messages().is_empty());
        assert!(world.host.socket_calls().is_empty());
    }

    #[test]
    fn a_refused_text_reaches_nobody() {
        let world = World::new();
        let (chat, unknown) = (world.direct(), world.host.new_id());
        for (who, argument, error) in [
            (&world.zoe, json!({"chatId": chat, "text": "x"}), "Not authorized"),
            (&world.cleo, json!({"chatId": chat, "text": "x"}), "Not authorized"),
            (&world.anna, json!({"chatId": unknown, "text": "x"}), "Chat not found"),
            (&world.anna, json!({"chatId": "x", "text": "x"}), "Chat not found"),
            (&world.anna, json!({"chatId": {"$ne": 1}, "text": "x"}), "chatId must be a string"),
            (&world.anna, json!({"text": "x"}), "chatId is required"),
            (&world.anna, json!({"chatId": chat, "text": {"a": 1}}), "text must be a string"),
            (
                &world.anna,
                json!({"chatId": chat, "text": "x", "clientMessageId": ""}),
                "clientMessageId must have 1 to 128 bytes",
            ),
            (
                &world.anna,
                json!({"chatId": chat, "text": "x", "clientMessageId": 1}),
                "clientMessageId must be a string",
            ),
            (
                &world.anna,
                json!({"chatId": chat, "text": "x".repeat(MAX_TEXT_BYTES + 1)}),
                "text must have at most 65536 bytes",
            ),
            (&world.anna, json!("text"), "sendMessage needs an object"),
            (&world.anna, json!(null), "sendMessage needs an object"),
            (&world.anna, json!([]), "sendMessage needs an object"),
        ] {
            let before = world.errors().len();
            let ack = world.acked(who, "sendMessage", argument.clone());
            assert_eq!(ack, json!({"ok": false, "error": error}), "{argument}");
            world.sent(who, "sendMessage", argument);
            assert_eq!(world.errors()[before..], [error, error]);
        }
        assert!(world.messages().is_empty());
        let to_sender = |call: &SocketCall| match call {
            SocketCall::Emit(emission) => emission.message.name == "error",
            _ => false,
        };
        assert!(world.host.socket_calls().iter().all(to_sender));
    }

    #[test]
    fn frames_of_any_shape_do_no_harm() {
        let world = World::new();
        for name in ["sendMessage", "joinChat"] {
            for arguments in ["[]", "", "{}", "[null]", "[[[[]]]]", "[", "[1,2,3]"] {
                let ack = world.frame(&world.anna, name, arguments, true).unwrap();
                assert!(ack.arguments.contains("needs an object"), "{arguments}");
            }
        }
        assert_eq!(world.frame(&world.anna, "typing", "[]", false), None);
        let ack = world.acked(&world.anna, "typing", json!({}));
        assert_eq!(ack, json!({"ok": false, "error": "Unknown event"}));
    }

    #[test]
    fn sending_twice_stores_once() {
        let world = World::new();
        let chat = world.direct();
        let first = json!({"chatId": chat, "text": "hi", "clientMessageId": "c1"});
        let again = json!({"chatId": chat, "text": "changed", "clientMessageId": "c1"});
        let one = world.acked(&world.anna, "sendMessage", first);
        assert_eq!(one["message"]["clientMessageId"], "c1");
        assert_eq!(one["message"].get("clientKey"), None);
        let two = world.acked(&world.anna, "sendMessage", again.clone());
        assert_eq!(one, two);
        assert_eq!(world.messages().len(), 1);
        // Delivered again under the same number, which the host knows.
        let sequences: Vec<_> = world.host.emissions().iter().map(|e| e.sequence).collect();
        assert_eq!(sequences, [Some(1), Some(1)]);
        // Somebody else's id, or the same in another chat, is another one.
        let other = world.acked(&world.ben, "sendMessage", again);
        assert_eq!(other["message"]["seq"], 2);
        let group = world.group();
        let there = json!({"chatId": group, "text": "hi", "clientMessageId": "c1"});
        assert_eq!(world.acked(&world.anna, "sendMessage", there)["message"]["seq"], 1);
    }

    #[test]
    fn a_send_whose_outcome_was_lost_can_be_repeated() {
        let world = World::new();
        let chat = world.direct();
        let send = json!({"chatId": chat, "text": "hi", "clientMessageId": "c1"});
        world.host.fail_next(Failure::LostOutcome);
        let lost = world.acked(&world.anna, "sendMessage", send.clone());
        assert_eq!(lost["ok"], false);
        assert!(world.host.emissions().iter().all(|e| e.message.name == "error"));
        let found = world.acked(&world.anna, "sendMessage", send);
        assert_eq!(found["message"]["seq"], 1);
        assert_eq!(world.messages().len(), 1);
    }

    #[test]
    fn a_store_that_is_away_is_told() {
        let world = World::new();
        let chat = world.direct();
        world.host.fail_next(Failure::Commit(DocumentError::Unavailable("secret".to_owned())));
        let ack = world.acked(&world.anna, "sendMessage", json!({"chatId": chat, "text": "x"}));
        assert_eq!(ack, json!({"ok": false, "error": "Service temporarily unavailable"}));
        assert_eq!(world.errors(), ["Service temporarily unavailable"]);
    }

    #[test]
    fn stored_but_not_delivered_is_still_acked() {
        let world = World::new();
        let chat = world.direct();
        world.host.fail_next(Failure::Sockets(SocketError::Unavailable("away".to_owned())));
        assert_eq!(world.say(&world.anna, chat, "x")["seq"], 1);
        assert_eq!(world.messages().len(), 1);
    }

    #[test]
    fn a_chat_that_vanishes_in_between_keeps_no_message() {
        let world = World::new();
        let chat = world.direct();
        world.host.before_next_commit(|host| {
            let gone = Transaction::new().delete_all(&crate::chat::CHATS, Filter::everything());
            pingtalk_sdk::fake::block_on(host.platform().commit(gone)).unwrap();
        });
        let ack = world.acked(&world.anna, "sendMessage", json!({"chatId": chat, "text": "x"}));
        assert_eq!(ack, json!({"ok": false, "error": "Chat not found"}));
        assert!(world.messages().is_empty());
    }
}
