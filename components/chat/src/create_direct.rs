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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, Failure};

    use super::*;
    use crate::testing::{World, id_of};

    #[test]
    fn creates_once_from_either_side() {
        let world = World::new();
        let first = world.ask(
            &world.anna,
            fake::post("/create-direct").json(&json!({"receiverId": world.ben.id})),
        );
        assert_eq!(first.status, 201);
        let id = id_of(&first);
        assert_eq!(
            first.json(),
            json!({
                "_id": id,
                "chatType": "direct",
                "participants": [world.anna.id, world.ben.id],
                "admins": [],
                "lastMessage": null,
                "createdAt": "2026-01-02T03:04:05.678Z",
                "updatedAt": "2026-01-02T03:04:05.678Z",
            })
        );
        for (who, them) in [(&world.anna, &world.ben), (&world.ben, &world.anna)] {
            let body = json!({"receiverId": them.id});
            let again = world.ask(who, fake::post("/create-direct").json(&body));
            assert_eq!(again.status, 200);
            assert_eq!(id_of(&again), id);
        }
        assert_eq!(world.chats().len(), 1);
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        for (body, status, message) in [
            (json!({}), 400, "Receiver ID required"),
            (json!({"receiverId": ""}), 400, "Receiver ID required"),
            (json!({"receiverId": {"$ne": null}}), 400, "receiverId must be a string"),
            (json!({"receiverId": "12"}), 400, "receiverId must be a valid id"),
            (json!({"receiverId": world.anna.id}), 400, "Cannot chat with yourself"),
            (json!({"receiverId": world.zoe.id}), 403, "Users are not connected"),
            (json!({"receiverId": world.host.new_id()}), 403, "Users are not connected"),
        ] {
            let refused = world.refused(&world.anna, fake::post("/create-direct").json(&body));
            assert_eq!(refused, (status, message.to_owned()), "{body}");
        }
        assert!(world.chats().is_empty());
    }

    #[test]
    fn two_at_once_make_one_chat() {
        let world = World::new();
        let (anna, ben) = (world.anna.id, world.ben.id);
        world.host.before_next_commit(move |host| {
            let chat = Chat::direct(host.new_id(), ben, anna, host.platform().now());
            host.insert(&CHATS, &chat);
        });
        let body = json!({"receiverId": ben});
        let answer = world.ask(&world.anna, fake::post("/create-direct").json(&body));
        assert_eq!(answer.status, 200);
        assert_eq!(world.chats().len(), 1);
        assert_eq!(id_of(&answer), world.chats()[0].id);
    }

    #[test]
    fn a_chat_that_the_original_made_is_found() {
        let world = World::new();
        let mut chat = Chat::direct(
            world.host.new_id(),
            world.ben.id,
            world.anna.id,
            world.host.platform().now(),
        );
        (chat.direct_key, chat.all_numbered) = (None, false);
        world.host.insert(&CHATS, &chat);
        world.group();
        assert_eq!(world.direct(), chat.id);
    }

    #[test]
    fn a_store_that_is_away_is_503() {
        let world = World::new();
        world.host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        let body = json!({"receiverId": world.ben.id});
        let answer = world.ask(&world.anna, fake::post("/create-direct").json(&body));
        assert_eq!(answer.status, 503);
    }
}
