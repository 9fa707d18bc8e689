//! `GET /my-chats`: the chats the caller takes part in, most recently updated first.

use pingtalk_sdk::{documents::Direction, prelude::*};

use crate::chat::{CHATS, MAX_CHATS};

pub(crate) async fn my_chats(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let newest_first =
        eq("participants", me).sort("updatedAt", Direction::Descending).limit(MAX_CHATS);
    Ok(Response::ok(&cx.documents().find(&CHATS, newest_first).await?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::time::Duration;

    use pingtalk_sdk::fake;

    use crate::testing::World;

    #[test]
    fn the_most_recently_updated_first() {
        let world = World::new();
        let ids = |who| -> Vec<String> {
            let answer = world.ask(who, fake::get("/my-chats"));
            assert_eq!(answer.status, 200);
            let chats = answer.json();
            let chats = chats.as_array().unwrap();
            chats.iter().map(|chat| chat["_id"].as_str().unwrap().to_owned()).collect()
        };
        assert!(ids(&world.anna).is_empty());
        let direct = world.direct();
        world.host.advance(Duration::from_secs(1));
        let group = world.group();
        assert_eq!(ids(&world.anna), [group.to_string(), direct.to_string()]);
        world.host.advance(Duration::from_secs(1));
        world.say(&world.ben, direct, "me first");
        assert_eq!(ids(&world.anna), [direct.to_string(), group.to_string()]);
        assert_eq!(ids(&world.cleo), [group.to_string()]);
        assert!(ids(&world.zoe).is_empty());
    }

    #[test]
    fn what_is_internal_stays_inside() {
        let world = World::new();
        let direct = world.direct();
        let message = world.say(&world.ben, direct, "hi");
        let chats = world.ask(&world.anna, fake::get("/my-chats")).json();
        let chat = chats[0].as_object().unwrap();
        assert_eq!(chat["lastMessage"], message["_id"]);
        let names: Vec<&str> = chat.keys().map(String::as_str).collect();
        let mut expected =
            ["_id", "admins", "chatType", "createdAt", "lastMessage", "participants", "updatedAt"];
        expected.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(names, expected);
    }
}
