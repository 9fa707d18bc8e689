//! `GET /my-chats`: the chats the caller takes part in, most recently updated first.

use pingtalk_sdk::{documents::Direction, prelude::*};

use crate::chat::{CHATS, MAX_CHATS};

pub(crate) async fn my_chats(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let newest_first = eq("participants", me)
        .sort("updatedAt", Direction::Descending)
        .sort("_id", Direction::Descending)
        .limit(MAX_CHATS);
    Ok(Response::ok(&cx.documents().find(&CHATS, newest_first).await?))
}
