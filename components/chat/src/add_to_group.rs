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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    #[test]
    fn an_admin_adds_somebody_connected() {
        let world = World::new();
        let group = world.group();
        world.connect(world.anna.id, world.zoe.id);
        let body = json!({"chatId": group, "userIdToAdd": world.zoe.id});
        let answer = world.ask(&world.anna, fake::put("/add-to-group").json(&body));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["participants"][3], json!(world.zoe.id));
        let again = world.refused(&world.anna, fake::put("/add-to-group").json(&body));
        assert_eq!(again, (400, "User is already in the group".to_owned()));
        assert_eq!(world.chats()[0].participants.len(), 4);
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let (group, direct) = (world.group(), world.direct());
        let (zoe, unknown) = (world.zoe.id, world.host.new_id());
        let required = "Chat ID and User ID to add are required";
        for (who, body, status, message) in [
            (&world.anna, json!({}), 400, required),
            (&world.anna, json!({"chatId": group}), 400, required),
            (&world.anna, json!({"userIdToAdd": zoe}), 400, required),
            (
                &world.anna,
                json!({"chatId": "x", "userIdToAdd": zoe}),
                400,
                "chatId must be a valid id",
            ),
            (
                &world.anna,
                json!({"chatId": group, "userIdToAdd": []}),
                400,
                "userIdToAdd must be a string",
            ),
            (
                &world.anna,
                json!({"chatId": unknown, "userIdToAdd": zoe}),
                404,
                "Group chat not found",
            ),
            (
                &world.anna,
                json!({"chatId": direct, "userIdToAdd": zoe}),
                404,
                "Group chat not found",
            ),
            (
                &world.ben,
                json!({"chatId": group, "userIdToAdd": zoe}),
                403,
                "Only admins can add users to this group",
            ),
            (
                &world.zoe,
                json!({"chatId": group, "userIdToAdd": zoe}),
                403,
                "Only admins can add users to this group",
            ),
            (
                &world.anna,
                json!({"chatId": group, "userIdToAdd": world.ben.id}),
                400,
                "User is already in the group",
            ),
            (
                &world.anna,
                json!({"chatId": group, "userIdToAdd": zoe}),
                403,
                "Users are not connected",
            ),
        ] {
            let refused = world.refused(who, fake::put("/add-to-group").json(&body));
            assert_eq!(refused, (status, message.to_owned()), "{body}");
        }
    }

    #[test]
    fn an_addition_survives_a_change_at_the_same_time() {
        let world = World::new();
        let group = world.group();
        world.connect(world.anna.id, world.zoe.id);
        let other = world.host.new_id();
        world.host.before_next_commit(move |host| {
            World::change_chats(host, Changes::new().add_to_set("participants", other));
        });
        let body = json!({"chatId": group, "userIdToAdd": world.zoe.id});
        assert_eq!(world.ask(&world.anna, fake::put("/add-to-group").json(&body)).status, 200);
        let participants = &world.chats()[0].participants;
        assert!(participants.contains(&other) && participants.contains(&world.zoe.id));
    }

    #[test]
    fn an_admin_who_lost_the_office_in_between_is_refused() {
        let world = World::new();
        let group = world.group();
        world.connect(world.anna.id, world.zoe.id);
        let anna = world.anna.id;
        world.host.before_next_commit(move |host| {
            World::change_chats(host, Changes::new().pull("admins", anna));
        });
        let body = json!({"chatId": group, "userIdToAdd": world.zoe.id});
        let refused = world.refused(&world.anna, fake::put("/add-to-group").json(&body));
        assert_eq!(refused.0, 403);
        assert_eq!(world.chats()[0].participants.len(), 3);
    }

    #[test]
    fn a_full_group_takes_nobody() {
        let world = World::new();
        let group = world.group();
        world.connect(world.anna.id, world.zoe.id);
        let crowd: Vec<Id> = (0..MAX_PARTICIPANTS).map(|_| world.host.new_id()).collect();
        World::change_chats(&world.host, Changes::new().set("participants", crowd));
        let body = json!({"chatId": group, "userIdToAdd": world.zoe.id});
        let refused = world.refused(&world.anna, fake::put("/add-to-group").json(&body));
        assert_eq!(refused, (400, "A group can have at most 256 participants".to_owned()));
    }
}
