//! A chat as the paths of messages see it: who takes part, and how its messages are numbered.

use pingtalk_sdk::{Platform, prelude::*};

use crate::{adopt::adopt, chat::CHATS, refusals};

/// The part of a chat that sending and reading messages needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    participants: Vec<Id>,
    #[serde(default)]
    pub(crate) last_message: Option<Id>,
    #[serde(default)]
    pub(crate) last_numbered: Option<Id>,
    #[serde(default)]
    pub(crate) all_numbered: bool,
}

const FIELDS: [&str; 4] = ["participants", "lastMessage", "lastNumbered", "allNumbered"];

impl Conversation {
    /// True when every message of this chat has a sequence number.
    ///
    /// The original gave none. So a chat that it made, or that it has written to since this
    /// service last did (`lastMessage` is not the one we numbered last, and [`crate::adopt`]
    /// could not mend that), may hold messages without; [`crate::history`] then looks for those
    /// too, which costs a second query.
    pub(crate) fn is_numbered(&self) -> bool {
        self.all_numbered && self.last_message == self.last_numbered
    }

    /// True when replaying the numbers after this one leaves nothing out. After number 1 or more
    /// that is so even if older messages have none, unless the original has just written some.
    pub(crate) fn can_replay_from(&self, after: i64) -> bool {
        self.last_message == self.last_numbered && (self.all_numbered || after > 0)
    }

    /// True when the user takes part.
    pub(crate) fn includes(&self, user: Id) -> bool {
        self.participants.contains(&user)
    }
}

/// The chat, if the user takes part in it: from the documents, never from a cache that may be
/// behind. Its messages are in order then.
///
/// # Errors
/// 404 `Chat not found`, 403 `Not authorized`, and those of the store.
pub(crate) async fn of_participant(
    platform: &Platform,
    chat: Id,
    user: Id,
) -> Result<Conversation> {
    let query = eq("_id", chat).include(FIELDS);
    let found = platform.documents().find_one(&CHATS.view::<Conversation>(), query).await?;
    let mut conversation = found.ok_or_else(refusals::chat_not_found)?;
    if !conversation.includes(user) {
        return Err(refusals::not_authorized());
    }
    adopt(platform, &mut conversation).await;
    Ok(conversation)
}
