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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, SocketCall};

    use super::*;
    use crate::testing::World;

    #[test]
    fn the_removed_one_is_silenced_at_once() {
        let world = World::new();
        let group = world.group();
        let body = json!({"chatId": group, "userIdToRemove": world.ben.id});
        let answer = world.ask(&world.anna, fake::put("/remove-from-group").json(&body));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["participants"], json!([world.anna.id, world.cleo.id]));
        assert_eq!(
            world.host.socket_calls(),
            [SocketCall::Leave(user(world.ben.id), format!("chat:{group}"))]
        );
        let refused = world.refused(&world.ben, fake::get(&format!("/messages/{group}")));
        assert_eq!(refused, (403, "Not authorized".to_owned()));
        // Once more is no error.
        assert_eq!(world.ask(&world.anna, fake::put("/remove-from-group").json(&body)).status, 200);
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let (group, direct) = (world.group(), world.direct());
        let ben = world.ben.id;
        let required = "Chat ID and User ID to remove are required";
        let only_admins = "Only admins can remove users from this group";
        let leave = "Use the /leave-group route to leave the chat";
        for (who, body, status, message) in [
            (&world.anna, json!({}), 400, required),
            (&world.anna, json!({"chatId": group}), 400, required),
            (&world.anna, json!({"chatId": "", "userIdToRemove": ben}), 400, required),
            (
                &world.anna,
                json!({"chatId": group, "userIdToRemove": "x"}),
                400,
                "userIdToRemove must be a valid id",
            ),
            (
                &world.anna,
                json!({"chatId": direct, "userIdToRemove": ben}),
                404,
                "Group chat not found",
            ),
            (
                &world.anna,
                json!({"chatId": world.host.new_id(), "userIdToRemove": ben}),
                404,
                "Group chat not found",
            ),
            (&world.cleo, json!({"chatId": group, "userIdToRemove": ben}), 403, only_admins),
            (&world.ben, json!({"chatId": group, "userIdToRemove": ben}), 403, only_admins),
            (&world.anna, json!({"chatId": group, "userIdToRemove": world.anna.id}), 400, leave),
        ] {
            let refused = world.refused(who, fake::put("/remove-from-group").json(&body));
            assert_eq!(refused, (status, message.to_owned()), "{body}");
        }
        assert!(world.host.socket_calls().is_empty());
    }

    #[test]
    fn of_two_admins_who_remove_each_other_one_stays() {
        let world = World::new();
        let group = world.group();
        let (anna, ben) = (world.anna.id, world.ben.id);
        World::change_chats(&world.host, Changes::new().add_to_set("admins", ben));
        world.host.before_next_commit(move |host| {
            let out = Changes::new().pull("admins", anna).pull("participants", anna);
            World::change_chats(host, out);
        });
        let body = json!({"chatId": group, "userIdToRemove": ben});
        let refused = world.refused(&world.anna, fake::put("/remove-from-group").json(&body));
        assert_eq!(refused.0, 403);
        assert_eq!(world.chats()[0].admins, [ben]);
    }
}
