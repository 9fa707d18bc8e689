//! A note, where notes are stored, and the cached list of a user's.

use std::time::Duration;

use pingtalk_sdk::{
    documents::{Direction, DocumentError},
    prelude::*,
};

/// Longest text, in characters.
pub(crate) const MAX_TEXT: usize = 1_000;
/// Most notes one user has: a list is always whole, and so it must be bounded.
pub(crate) const MAX_NOTES: u32 = 200;
/// How long a list is cached.
const CACHED: Duration = Duration::from_secs(600);

/// Every note of every user.
pub(crate) static NOTES: Collection<Note> = Collection::new("notesDB", "notes");

/// A note, as it is stored and as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) user_id: Id,
    pub(crate) text: String,
    /// The user's id on the note that greeted them, so that a unique index allows only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) welcome_for: Option<Id>,
    pub(crate) created_at: Date,
    pub(crate) updated_at: Date,
}

impl Note {
    /// A new note of a user.
    pub(crate) fn new(platform: &Platform, user: Id, text: impl Into<String>) -> Self {
        let now = platform.now();
        Self {
            id: platform.new_id(),
            user_id: user,
            text: text.into(),
            welcome_for: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A user's notes, newest first, from the cache or the store.
pub(crate) async fn of_user(platform: &Platform, user: Id) -> Result<Vec<Note>> {
    if let Some(notes) = platform.cache().get(&key(user)).await {
        return Ok(notes);
    }
    let notes = stored(platform, user).await?;
    platform.cache().set_if_absent(&key(user), &notes, CACHED).await;
    Ok(notes)
}

/// Makes a committed change show in the cached list.
pub(crate) async fn refresh(platform: &Platform, user: Id) -> Result<()> {
    let load = || async { stored(platform, user).await.map(Some) };
    Ok(platform.cache().refresh(&key(user), CACHED, load).await?)
}

async fn stored(platform: &Platform, user: Id) -> Result<Vec<Note>, DocumentError> {
    let newest_first = eq("userId", user).sort("createdAt", Direction::Descending);
    platform.documents().find(&NOTES, newest_first.limit(MAX_NOTES)).await
}

fn key(user: Id) -> String {
    format!("notes:{user}")
}
