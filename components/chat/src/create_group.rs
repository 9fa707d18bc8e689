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
