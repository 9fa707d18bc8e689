//! The chat document, `chatDB.chats`.

use pingtalk_sdk::prelude::*;

pub(crate) static CHATS: Collection<Chat> = Collection::new("chatDB", "chats");

/// Most people in a group, so that a message's delivery and a chat's size stay bounded.
pub(crate) const MAX_PARTICIPANTS: usize = 256;
/// Most chats that one user may create or see listed.
pub(crate) const MAX_CHATS: u32 = 1_000;

/// What kind of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChatType {
    Direct,
    Group,
}

impl ChatType {
    /// As stored and as clients see it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
        }
    }
}

/// A conversation of two, or of a group.
///
/// What is internal is written but never read into this type (`Conversation` reads some of it),
/// so that a chat that was read can go to a client as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chat {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) chat_type: ChatType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The longest-standing first.
    pub(crate) participants: Vec<Id>,
    #[serde(default)]
    pub(crate) admins: Vec<Id>,
    #[serde(default)]
    pub(crate) last_message: Option<Id>,
    pub(crate) created_at: Date,
    pub(crate) updated_at: Date,
    /// `smaller:larger` of a direct chat; a unique index on it makes two simultaneous
    /// create-direct make one chat.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) direct_key: Option<String>,
    /// See `Conversation::is_numbered`.
    #[serde(skip_deserializing, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) all_numbered: bool,
}

impl Chat {
    /// A direct chat that has not been stored yet.
    pub(crate) fn direct(id: Id, me: Id, them: Id, now: Date) -> Self {
        Self {
            direct_key: Some(direct_key(me, them)),
            ..Self::new(id, ChatType::Direct, vec![me, them], now)
        }
    }

    /// A group that has not been stored yet; the creator stands first and is its admin.
    pub(crate) fn group(id: Id, name: String, creator: Id, others: &[Id], now: Date) -> Self {
        let participants = std::iter::once(creator).chain(others.iter().copied()).collect();
        Self {
            name: Some(name),
            admins: vec![creator],
            ..Self::new(id, ChatType::Group, participants, now)
        }
    }

    fn new(id: Id, chat_type: ChatType, participants: Vec<Id>, now: Date) -> Self {
        Self {
            id,
            chat_type,
            name: None,
            participants,
            admins: Vec::new(),
            last_message: None,
            created_at: now,
            updated_at: now,
            direct_key: None,
            all_numbered: true,
        }
    }
}

/// Names two users in either order: `smaller:larger`.
pub(crate) fn direct_key(one: Id, other: Id) -> String {
    let (smaller, larger) = ordered(one, other);
    format!("{smaller}:{larger}")
}

/// Two users, the one whose id is smaller as text first.
pub(crate) fn ordered(one: Id, other: Id) -> (Id, Id) {
    if one <= other { (one, other) } else { (other, one) }
}

/// The room of a chat's sockets.
pub(crate) fn room_of(chat: Id) -> String {
    format!("chat:{chat}")
}

/// Refuses a user who is in so many chats that their list would be cut.
///
/// # Errors
/// 403, and those of the store.
pub(crate) async fn check_room_for_another(cx: &Context, user: Id) -> Result<()> {
    let mine = cx.documents().count(&CHATS, eq("participants", user), MAX_CHATS).await?;
    if mine < MAX_CHATS { Ok(()) } else { Err(crate::refusals::too_many_chats(MAX_CHATS)) }
}
