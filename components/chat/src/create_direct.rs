//! `POST /create-direct`: the chat of two connected users, made if there is none yet.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{
    chat::{CHATS, Chat, ChatType, check_room_for_another, direct_key},
    permission, refusals,
};

pub(crate) async fn create_direct(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let them = body.id("receiverId")?.ok_or_else(refusals::receiver_required)?;
    if them == me {
        return Err(refusals::chat_with_yourself());
    }
    if !permission::connected(&cx, me, them).await? {
        return Err(refusals::not_connected());
    }
    if let Some(chat) = existing(&cx, me, them).await? {
        return Ok(Response::ok(&chat));
    }
    check_room_for_another(&cx, me).await?;
    let chat = Chat::direct(cx.new_id(), me, them, cx.now());
    match cx.commit(Transaction::new().insert(&CHATS, &chat)?).await {
        Ok(outcomes) => Ok(Response::created(&outcomes.first(&CHATS)?)),
        // The other one of two simultaneous calls was first.
        Err(DocumentError::Conflict(_)) => {
            let chat = existing(&cx, me, them).await?.ok_or_else(|| {
                pingtalk_sdk::Error::unavailable("direct chat conflicted, but is not there")
            })?;
            Ok(Response::ok(&chat))
        }
        Err(error) => Err(error.into()),
    }
}

/// The chat of these two. One that the original made has no `directKey`.
async fn existing(cx: &Context, me: Id, them: Id) -> Result<Option<Chat>> {
    let keyed = eq("directKey", direct_key(me, them));
    if let Some(chat) = cx.documents().find_one(&CHATS, keyed).await? {
        return Ok(Some(chat));
    }
    let unkeyed = all([
        eq("participants", me),
        eq("participants", them),
        eq("chatType", ChatType::Direct.name()),
    ]);
    Ok(cx.documents().find_one(&CHATS, unkeyed).await?)
}
