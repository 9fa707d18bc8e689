//! `PUT /remove-from-group`: an admin removes somebody, who stops receiving at once.
//!
//! Removing somebody who is not in the group changes nothing and is no error: two admins who
//! remove the same person at once both get what they asked for.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{chat::CHATS, group, refusals};

pub(crate) async fn remove_from_group(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let (Some(chat), Some(them)) = (body.id("chatId")?, body.id("userIdToRemove")?) else {
        return Err(refusals::chat_and_user_to_remove_required());
    };
    for _ in 0..group::ROUNDS {
        let group = group::find(&cx, chat).await?;
        if !group.admins.contains(&me) {
            return Err(refusals::only_admins_remove());
        }
        if them == me {
            return Err(refusals::leave_instead());
        }
        let still_admin = all([group::is_group(chat), eq("admins", me)]);
        let changes = Changes::new()
            .pull("participants", them)
            .pull("admins", them)
            .max("updatedAt", cx.now());
        match cx.commit(Transaction::new().update(&CHATS, still_admin, changes)).await {
            Ok(outcomes) => {
                group::silence(&cx, chat, them).await?;
                return Ok(Response::ok(&outcomes.first(&CHATS)?));
            }
            Err(DocumentError::Unmatched) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(group::too_busy())
}
