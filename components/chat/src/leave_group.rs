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
