//! Changing a group's members.
//!
//! Every change is one write that demands what it relies on ("the caller is an admin, the user
//! is no participant") and changes the arrays in place. So changes that happen at once all take
//! effect, and one whose ground has gone matches nothing; it is then judged anew on what the
//! group has become.

use pingtalk_sdk::prelude::*;

use crate::chat::{CHATS, Chat, ChatType, room_of};

/// How often a change is judged anew before the client is asked to try again. Each round means
/// that somebody else's change to the same group came in between.
pub(crate) const ROUNDS: usize = 16;

/// The group with this id; a direct chat is none.
///
/// # Errors
/// 404 `Group chat not found`, and those of the store.
pub(crate) async fn find(cx: &Context, chat: Id) -> Result<Chat> {
    let found = cx.documents().find_one(&CHATS, is_group(chat)).await?;
    found.ok_or_else(crate::refusals::group_not_found)
}

/// Matches the group with this id.
pub(crate) fn is_group(chat: Id) -> Filter {
    all([eq("_id", chat), eq("chatType", ChatType::Group.name())])
}

/// Stops a user's sockets from receiving this chat's messages. Called once the user is out of
/// the participants, so that a socket that joins at this moment finds itself out (`join_chat`
/// looks again after joining).
///
/// # Errors
/// 503: the change is stored, but the sockets can't be reached; repeating the call is right.
pub(crate) async fn silence(cx: &Context, chat: Id, user: Id) -> Result<()> {
    Ok(cx.sockets().leave(pingtalk_sdk::sockets::user(user), &room_of(chat)).await?)
}

/// The group changes so fast that no change of ours matched.
pub(crate) fn too_busy() -> Error {
    Error::unavailable("group changed in every round")
}
