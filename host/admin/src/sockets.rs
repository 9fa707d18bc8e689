//! Closes sockets of a tenant.

use pingtalk_capabilities::{
    calls::Body,
    sockets::{SocketError, Target},
};
use serde::Deserialize;

use crate::{
    answer::{self, Answer},
    body,
    call::{Admin, Call},
    problem::Problem,
};

/// Whose: exactly one of these.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Whose {
    user: Option<String>,
    room: Option<String>,
    socket: Option<String>,
}

impl From<SocketError> for Problem {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Unavailable(message) => Self::unavailable(message),
            other => Self::invalid("target", other.to_string()),
        }
    }
}

pub(crate) async fn answer(admin: &Admin, call: &Call, body: Body) -> Answer {
    let sockets = admin.parts.platform.sockets(call.first()).await?;
    let target = match body::json(body).await? {
        Whose { user: Some(user), room: None, socket: None } => Target::User(user),
        Whose { user: None, room: Some(room), socket: None } => Target::Room(room),
        Whose { user: None, room: None, socket: Some(socket) } => Target::Socket(socket),
        _ => {
            let message = "name one of `user`, `room` and `socket`";
            return Err(Problem::invalid("user", message));
        }
    };
    sockets.disconnect(target, None).await?;
    answer::no_content()
}
