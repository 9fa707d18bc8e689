//! `GET /invites/received`: the requests the caller received, answered ones included, newest
//! first.

use pingtalk_sdk::prelude::*;

use crate::invites::{self, Side};

pub(crate) async fn invites_received(cx: Context) -> Result<Response> {
    invites::list(&cx, Side::Received).await
}
