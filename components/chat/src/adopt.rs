//! Numbering messages that the original wrote after this service had been at work.
//!
//! A service may be moved back to the original and over again, with the same data. What the
//! original wrote in between has no number, yet belongs after what was numbered before. So when a
//! chat's newest message is not the one this service numbered last, the strays are numbered, in
//! the order of their times, before anything else is read or written. What the original wrote
//! before a chat's first number stays as it is; it comes first anyway.
//!
//! Each stray is numbered by a write of its own, under the unique index: if two calls adopt at
//! once, or somebody sends meanwhile, nobody's number is taken twice. If the work fails, or is
//! too much for one call, messages are not lost: the chat then counts as one that holds messages
//! without a number.

use pingtalk_sdk::{
    Platform,
    documents::{Direction, DocumentError},
    log,
    prelude::*,
};

use crate::{chat::CHATS, conversation::Conversation, history, message::MESSAGES};

/// Most strays that one call numbers.
const MOST: u32 = 500;
/// How often one stray's number may be snatched away.
const ROUNDS: usize = 16;

/// Of a message, where it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    #[serde(rename = "_id")]
    id: Id,
    created_at: Date,
}

const STANDING: [&str; 1] = ["createdAt"];

/// Numbers a conversation's strays, if there are any.
pub(crate) async fn adopt(platform: &Platform, conversation: &mut Conversation) {
    let (Some(newest), Some(numbered)) = (conversation.last_message, conversation.last_numbered)
    else {
        return;
    };
    if newest == numbered {
        return;
    }
    match number_strays(platform, conversation, numbered, newest).await {
        Ok(true) => conversation.last_numbered = Some(newest),
        Ok(false) => {}
        Err(error) => {
            log::warn(
                "messages left without number",
                &[("chat", &conversation.id), ("error", &error)],
            );
        }
    }
}

/// True when none is left.
async fn number_strays(
    platform: &Platform,
    conversation: &Conversation,
    numbered: Id,
    newest: Id,
) -> Result<bool> {
    let chat = conversation.id;
    let mut strays = all([eq("chatId", chat), present("seq", false)]);
    if !conversation.all_numbered {
        let last = eq("_id", numbered).include(STANDING);
        let last = platform.documents().find_one(&MESSAGES.view::<Standing>(), last).await?;
        let Some(last) = last else { return Ok(false) };
        strays = strays.and(gte("createdAt", last.created_at));
    }
    let strays = strays.sort("createdAt", Direction::Ascending).limit(MOST).include(STANDING);
    let strays = platform.documents().find(&MESSAGES.view::<Standing>(), strays).await?;
    let is_all = strays.len() < usize::try_from(MOST).unwrap_or(usize::MAX);
    let mut last = history::last_sequence(platform, chat).await?;
    for stray in strays {
        last = number(platform, chat, stray.id, last).await?;
    }
    if is_all {
        // Unless there is a newer one by now.
        let same = all([eq("_id", chat), eq("lastMessage", newest)]);
        let done = Changes::new().set("lastNumbered", newest);
        match platform.commit(Transaction::new().update(&CHATS, same, done)).await {
            Ok(_) | Err(DocumentError::Unmatched) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(is_all)
}

/// Gives a stray the number after `last` or a later one; returns the last that is taken.
async fn number(platform: &Platform, chat: Id, stray: Id, mut last: i64) -> Result<i64> {
    for _ in 0..ROUNDS {
        let still_stray = all([eq("_id", stray), present("seq", false)]);
        let next = Changes::new().set("seq", last + 1);
        match platform.commit(Transaction::new().update(&MESSAGES, still_stray, next)).await {
            Ok(_) => return Ok(last + 1),
            // Somebody else adopted it.
            Err(DocumentError::Unmatched) => return history::last_sequence(platform, chat).await,
            Err(DocumentError::Conflict(_)) => {
                last = history::last_sequence(platform, chat).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::unavailable("a message's number was taken in every round"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::time::Duration;

    use pingtalk_sdk::{fake::Failure, serde_json::Value};

    use super::*;
    use crate::{message::Message, testing::World};

    /// What the original does when somebody sends.
    fn original_sends(world: &World, chat: Id, text: &str) {
        world.host.advance(Duration::from_millis(5));
        let now = world.host.platform().now();
        let message = Message {
            id: world.host.new_id(),
            chat_id: chat,
            sender_id: world.ben.id,
            text: Some(text.to_owned()),
            file: None,
            read_by: vec![world.ben.id],
            seq: None,
            client_message_id: None,
            created_at: now,
            updated_at: now,
            client_key: None,
        };
        world.host.insert(&MESSAGES, &message);
        let moved_on = Changes::new().set("lastMessage", message.id).set("updatedAt", now);
        World::change_chats(&world.host, moved_on);
    }

    fn we_send(world: &World, chat: Id, text: &str) {
        world.host.advance(Duration::from_millis(5));
        world.say(&world.anna, chat, text);
    }

    fn history(world: &World, chat: Id) -> Vec<(String, Value)> {
        let messages = world.history(&world.anna, chat, "").into_iter();
        messages
            .map(|message| {
                let seq = message.get("seq").cloned().unwrap_or_default();
                (message["text"].as_str().unwrap().to_owned(), seq)
            })
            .collect()
    }

    fn expected(texts: &[(&str, Option<i64>)]) -> Vec<(String, Value)> {
        texts.iter().map(|(text, seq)| ((*text).to_owned(), json!(seq))).collect()
    }

    #[test]
    fn strays_get_the_next_numbers_when_read() {
        let world = World::new();
        let chat = world.direct();
        we_send(&world, chat, "a");
        original_sends(&world, chat, "b");
        original_sends(&world, chat, "c");
        let all = expected(&[("a", Some(1)), ("b", Some(2)), ("c", Some(3))]);
        assert_eq!(history(&world, chat), all);
        assert_eq!(history(&world, chat), all);
        let ack = world.acked(&world.ben, "joinChat", json!({"chatId": chat, "after": 1}));
        let joined = json!({"ok": true, "lastSequence": 3, "replayed": 2, "complete": true});
        assert_eq!(ack, joined);
    }

    #[test]
    fn strays_get_their_numbers_before_another_message_does() {
        let world = World::new();
        let chat = world.direct();
        we_send(&world, chat, "a");
        original_sends(&world, chat, "b");
        we_send(&world, chat, "c");
        let all = expected(&[("a", Some(1)), ("b", Some(2)), ("c", Some(3))]);
        assert_eq!(history(&world, chat), all);
    }

    #[test]
    fn what_was_there_before_the_first_number_keeps_its_place() {
        let world = World::new();
        let chat = world.direct();
        World::change_chats(&world.host, Changes::new().unset("allNumbered"));
        original_sends(&world, chat, "a");
        we_send(&world, chat, "b");
        original_sends(&world, chat, "c");
        we_send(&world, chat, "d");
        let all = expected(&[("a", None), ("b", Some(1)), ("c", Some(2)), ("d", Some(3))]);
        assert_eq!(history(&world, chat), all);
    }

    #[test]
    fn a_number_taken_meanwhile_is_not_given_twice() {
        let world = World::new();
        let chat = world.direct();
        we_send(&world, chat, "a");
        original_sends(&world, chat, "b");
        let ben = world.ben.id;
        world.host.before_next_commit(move |host| {
            let now = host.platform().now();
            let taken = Message {
                id: host.new_id(),
                chat_id: chat,
                sender_id: ben,
                text: Some("x".to_owned()),
                file: None,
                read_by: Vec::new(),
                seq: Some(2),
                client_message_id: None,
                created_at: now,
                updated_at: now,
                client_key: None,
            };
            host.insert(&MESSAGES, &taken);
        });
        let all = expected(&[("a", Some(1)), ("x", Some(2)), ("b", Some(3))]);
        assert_eq!(history(&world, chat), all);
    }

    #[test]
    fn a_failure_hides_nothing() {
        let world = World::new();
        let chat = world.direct();
        we_send(&world, chat, "a");
        original_sends(&world, chat, "b");
        world.host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        assert_eq!(history(&world, chat), expected(&[("b", None), ("a", Some(1))]));
        assert_eq!(history(&world, chat), expected(&[("a", Some(1)), ("b", Some(2))]));
    }
}
