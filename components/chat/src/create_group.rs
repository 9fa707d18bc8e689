//! `POST /create-group`: a group of the caller, who becomes its admin, and people the caller is
//! connected to.

use std::collections::HashSet;

use pingtalk_sdk::prelude::*;

use crate::{
    chat::{CHATS, Chat, MAX_PARTICIPANTS, check_room_for_another},
    permission, refusals,
};

/// Fewest people besides the creator.
const MIN_OTHERS: usize = 2;
/// Longest name, in characters.
const MAX_NAME: usize = 100;

pub(crate) async fn create_group(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let name = body.text("name")?.unwrap_or_default().trim();
    let is_list = body.get("participants").is_some_and(serde_json::Value::is_array);
    if name.is_empty() || !is_list {
        return Err(refusals::name_and_participants_required());
    }
    if name.chars().count() > MAX_NAME {
        return Err(refusals::name_too_long(MAX_NAME));
    }
    let others = distinct(body.ids("participants")?.unwrap_or_default(), me);
    if others.len() < MIN_OTHERS {
        return Err(refusals::too_few_participants());
    }
    if others.len() >= MAX_PARTICIPANTS {
        return Err(refusals::too_many_participants(MAX_PARTICIPANTS));
    }
    // Being connected implies that they exist.
    if !permission::connected_to_all(&cx, me, &others).await? {
        return Err(refusals::not_connected());
    }
    check_room_for_another(&cx, me).await?;
    let chat = Chat::group(cx.new_id(), name.to_owned(), me, &others, cx.now());
    let outcomes = cx.commit(Transaction::new().insert(&CHATS, &chat)?).await?;
    Ok(Response::created(&outcomes.first(&CHATS)?))
}

/// Each of these once, without the creator, in their order.
fn distinct(participants: Vec<Id>, creator: Id) -> Vec<Id> {
    let mut seen = HashSet::from([creator]);
    participants.into_iter().filter(|participant| seen.insert(*participant)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    #[test]
    fn the_creator_is_added_and_admin() {
        let world = World::new();
        let body = json!({
            "name": "  Friends ",
            "participants": [world.ben.id, world.cleo.id, world.ben.id, world.anna.id],
        });
        let answer = world.ask(&world.anna, fake::post("/create-group").json(&body));
        assert_eq!(answer.status, 201);
        let group = answer.json();
        assert_eq!(group["name"], "Friends");
        assert_eq!(group["chatType"], "group");
        assert_eq!(group["participants"], json!([world.anna.id, world.ben.id, world.cleo.id]));
        assert_eq!(group["admins"], json!([world.anna.id]));
        assert_eq!(group["lastMessage"], json!(null));
        assert_eq!(group.get("allNumbered"), None);
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let (anna, ben, cleo, zoe) = (world.anna.id, world.ben.id, world.cleo.id, world.zoe.id);
        let required = "Group name and participants array are required";
        let too_few = "A group must have at least 2 other participants";
        let crowd: Vec<Id> = (0..300).map(|_| world.host.new_id()).collect();
        for (body, status, message) in [
            (json!({}), 400, required),
            (json!({"name": "x"}), 400, required),
            (json!({"participants": [ben, cleo]}), 400, required),
            (json!({"name": "   ", "participants": [ben, cleo]}), 400, required),
            (json!({"name": "x", "participants": ben}), 400, required),
            (json!({"name": "x", "participants": {"0": ben}}), 400, required),
            (json!({"name": 1, "participants": [ben, cleo]}), 400, "name must be a string"),
            (json!({"name": "x", "participants": []}), 400, too_few),
            (json!({"name": "x", "participants": [ben]}), 400, too_few),
            (json!({"name": "x", "participants": [ben, ben, anna]}), 400, too_few),
            (
                json!({"name": "x", "participants": [ben, 1]}),
                400,
                "participants must be a list of valid ids",
            ),
            (
                json!({"name": "x".repeat(101), "participants": [ben, cleo]}),
                400,
                "name must have at most 100 characters",
            ),
            (
                json!({"name": "x", "participants": crowd}),
                400,
                "A group can have at most 256 participants",
            ),
            (json!({"name": "x", "participants": [ben, zoe]}), 403, "Users are not connected"),
            (
                json!({"name": "x", "participants": [ben, world.host.new_id()]}),
                403,
                "Users are not connected",
            ),
        ] {
            let refused = world.refused(&world.anna, fake::post("/create-group").json(&body));
            assert_eq!(refused, (status, message.to_owned()), "{body}");
        }
        assert!(world.chats().is_empty());
    }
}
