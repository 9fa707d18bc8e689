//! `GET /invites/sent`: the requests the caller sent, newest first.

use pingtalk_sdk::prelude::*;

use crate::invites::{self, Side};

pub(crate) async fn invites_sent(cx: Context) -> Result<Response> {
    invites::list(&cx, Side::Sent).await
}
