//! `PUT /add-to-group`: an admin adds somebody they are connected to.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{
    chat::{CHATS, MAX_PARTICIPANTS},
    group, permission, refusals,
};

pub(crate) async fn add_to_group(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let (Some(chat), Some(them)) = (body.id("chatId")?, body.id("userIdToAdd")?) else {
        return Err(refusals::chat_and_user_to_add_required());
    };
    for _ in 0..group::ROUNDS {
        let group = group::find(&cx, chat).await?;
        if !group.admins.contains(&me) {
            return Err(refusals::only_admins_add());
        }
        if group.participants.contains(&them) {
            return Err(refusals::already_in_group());
        }
        // Some additions at once may exceed the bound by their number; it is there to keep a
        // group's cost bounded, not to count heads.
        if group.participants.len() >= MAX_PARTICIPANTS {
            return Err(refusals::too_many_participants(MAX_PARTICIPANTS));
        }
        if !permission::connected(&cx, me, them).await? {
            return Err(refusals::not_connected());
        }
        let still_fine = all([group::is_group(chat), eq("admins", me), ne("participants", them)]);
        let changes = Changes::new().add_to_set("participants", them).max("updatedAt", cx.now());
        match cx.commit(Transaction::new().update(&CHATS, still_fine, changes)).await {
            Ok(outcomes) => return Ok(Response::ok(&outcomes.first(&CHATS)?)),
            Err(DocumentError::Unmatched) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(group::too_busy())
}
