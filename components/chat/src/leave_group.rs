//! `PUT /leave-group`: the caller leaves. The last admin's leaving makes the longest-standing
//! member admin; the last one out takes the group and its messages along.

use pingtalk_sdk::{
    documents::{DocumentError, Value, size},
    prelude::*,
};

use crate::{
    chat::{CHATS, Chat},
    group,
    message::MESSAGES,
    refusals,
};

#[derive(Serialize)]
struct Left<'a> {
    message: &'static str,
    chat: &'a Chat,
}

pub(crate) async fn leave_group(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let chat = body.id("chatId")?.ok_or_else(refusals::chat_required)?;
    for _ in 0..group::ROUNDS {
        let before = group::find(&cx, chat).await?;
        if !before.participants.contains(&me) {
            return Err(refusals::not_in_group());
        }
        let departure = Departure::of(&before, me);
        match cx.commit(departure.transaction(chat, me, cx.now())).await {
            Ok(outcomes) => {
                group::silence(&cx, chat, me).await?;
                return Ok(match departure {
                    Departure::Last => {
                        Response::message("Group deleted because there are no participants left")
                    }
                    _ => Response::ok(&Left {
                        message: "Successfully left the group",
                        chat: &outcomes.first(&CHATS)?,
                    }),
                });
            }
            Err(DocumentError::Unmatched) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(group::too_busy())
}

/// What a departure means for those who stay. Each kind rests on facts that its write demands
/// again; all but [`Departure::Last`] rest on the presence of one other person alone, so that
/// many can leave at once without standing in each other's way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Departure {
    /// Nobody stays.
    Last,
    /// This other admin stays.
    AdminStays(Id),
    /// No admin stays; this member, the longest-standing one, takes over.
    Succession {
        successor: Id,
        /// All admins there were.
        admins: Vec<Id>,
    },
}

impl Departure {
    fn of(group: &Chat, me: Id) -> Self {
        let stays = |id: &&Id| **id != me && group.participants.contains(*id);
        if let Some(admin) = group.admins.iter().find(stays) {
            return Self::AdminStays(*admin);
        }
        match group.participants.iter().find(stays) {
            Some(successor) => {
                Self::Succession { successor: *successor, admins: group.admins.clone() }
            }
            None => Self::Last,
        }
    }

    fn transaction(&self, chat: Id, me: Id, now: Date) -> Transaction {
        let member = all([group::is_group(chat), eq("participants", me)]);
        let leave = Changes::new().pull("participants", me).max("updatedAt", now);
        match self {
            Self::Last => Transaction::new()
                .delete(&CHATS, all([member, size("participants", 1)]))
                .delete_all(&MESSAGES, eq("chatId", chat)),
            Self::AdminStays(admin) => Transaction::new().update(
                &CHATS,
                all([member, eq("admins", *admin), eq("participants", *admin)]),
                leave.pull("admins", me),
            ),
            // A write may touch a field only once, so the admins are replaced as a whole; the
            // write demands that they are still those that were read.
            Self::Succession { successor, admins } => Transaction::new().update(
                &CHATS,
                all([
                    member,
                    eq("participants", *successor),
                    eq("admins", Value::array(admins.clone())),
                ]),
                leave.set("admins", vec![*successor]),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, SocketCall};

    use super::*;
    use crate::testing::{Person, World};

    fn leave(world: &World, who: &Person, chat: Id) -> fake::Answer {
        world.ask(who, fake::put("/leave-group").json(&json!({"chatId": chat})))
    }

    #[test]
    fn a_member_leaves() {
        let world = World::new();
        let group = world.group();
        let answer = leave(&world, &world.ben, group);
        assert_eq!(answer.status, 200);
        let body = answer.json();
        assert_eq!(body["message"], "Successfully left the group");
        assert_eq!(body["chat"]["participants"], json!([world.anna.id, world.cleo.id]));
        assert_eq!(body["chat"]["admins"], json!([world.anna.id]));
        assert_eq!(
            world.host.socket_calls(),
            [SocketCall::Leave(user(world.ben.id), format!("chat:{group}"))]
        );
    }

    #[test]
    fn the_last_admin_is_succeeded_by_the_longest_standing_member() {
        let world = World::new();
        let group = world.group();
        let body = leave(&world, &world.anna, group).json();
        assert_eq!(body["chat"]["admins"], json!([world.ben.id]));
        assert_eq!(body["chat"]["participants"], json!([world.ben.id, world.cleo.id]));
    }

    #[test]
    fn an_admin_who_is_not_the_last_just_leaves() {
        let world = World::new();
        let group = world.group();
        World::change_chats(&world.host, Changes::new().add_to_set("admins", world.cleo.id));
        let body = leave(&world, &world.anna, group).json();
        assert_eq!(body["chat"]["admins"], json!([world.cleo.id]));
    }

    #[test]
    fn two_admins_leaving_at_once_leave_an_admin() {
        let world = World::new();
        let group = world.group();
        let cleo = world.cleo.id;
        World::change_chats(&world.host, Changes::new().add_to_set("admins", cleo));
        world.host.before_next_commit(move |host| {
            let out = Changes::new().pull("admins", cleo).pull("participants", cleo);
            World::change_chats(host, out);
        });
        assert_eq!(leave(&world, &world.anna, group).status, 200);
        let chat = &world.chats()[0];
        assert_eq!((&chat.participants, &chat.admins), (&vec![world.ben.id], &vec![world.ben.id]));
    }

    #[test]
    fn a_successor_who_leaves_at_the_same_time_is_not_it() {
        let world = World::new();
        let group = world.group();
        let ben = world.ben.id;
        world.host.before_next_commit(move |host| {
            World::change_chats(host, Changes::new().pull("participants", ben));
        });
        let body = leave(&world, &world.anna, group).json();
        assert_eq!(body["chat"]["admins"], json!([world.cleo.id]));
    }

    #[test]
    fn the_last_one_out_takes_the_group_along() {
        let world = World::new();
        let group = world.group();
        world.say(&world.anna, group, "hello?");
        let other = world.direct();
        world.say(&world.anna, other, "stays");
        for who in [&world.ben, &world.cleo] {
            assert_eq!(leave(&world, who, group).status, 200);
        }
        let answer = leave(&world, &world.anna, group);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json(),
            json!({"message": "Group deleted because there are no participants left"})
        );
        assert_eq!(world.chats().len(), 1);
        assert_eq!(world.messages().len(), 1);
        assert_eq!(leave(&world, &world.anna, group).status, 404);
    }

    #[test]
    fn somebody_added_while_the_last_one_leaves_keeps_the_group() {
        let world = World::new();
        let group = world.group();
        for who in [&world.ben, &world.cleo] {
            leave(&world, who, group);
        }
        let zoe = world.zoe.id;
        world.host.before_next_commit(move |host| {
            World::change_chats(host, Changes::new().add_to_set("participants", zoe));
        });
        let body = leave(&world, &world.anna, group).json();
        assert_eq!(body["chat"]["admins"], json!([zoe]));
    }

    #[test]
    fn a_group_of_the_originals_without_admins_gets_one() {
        let world = World::new();
        let group = world.group();
        World::change_chats(&world.host, Changes::new().set("admins", Vec::<Id>::new()));
        let body = leave(&world, &world.ben, group).json();
        assert_eq!(body["chat"]["admins"], json!([world.anna.id]));
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let (group, direct) = (world.group(), world.direct());
        for (who, body, status, message) in [
            (&world.anna, json!({}), 400, "Chat ID is required"),
            (&world.anna, json!({"chatId": 7}), 400, "chatId must be a string"),
            (&world.anna, json!({"chatId": "7"}), 400, "chatId must be a valid id"),
            (&world.anna, json!({"chatId": direct}), 404, "Group chat not found"),
            (&world.anna, json!({"chatId": world.host.new_id()}), 404, "Group chat not found"),
            (&world.zoe, json!({"chatId": group}), 400, "You are not a participant in this group"),
        ] {
            let refused = world.refused(who, fake::put("/leave-group").json(&body));
            assert_eq!(refused, (status, message.to_owned()), "{body}");
        }
    }
}
