//! `request.accepted`: two users are connected from now on. Idempotent: the connection is made
//! once, whatever the number of deliveries.

use pingtalk_sdk::{Platform, documents::DocumentError, prelude::*};

use crate::{
    chat::ordered,
    connection::{ACCEPTED, CONNECTIONS},
};

pub(crate) const TOPIC: &str = "request.accepted";

/// What matters here of the event's payload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    from_user_id: Id,
    to_user_id: Id,
}

pub(crate) async fn request_accepted(platform: &Platform, event: &Event) -> Result<Disposition> {
    let Accepted { from_user_id, to_user_id } = event.json()?;
    if from_user_id == to_user_id {
        return Ok(Disposition::Reject(format!("user {from_user_id} can't connect to itself")));
    }
    let (user1, user2) = ordered(from_user_id, to_user_id);
    let now = platform.now();
    let connect = Transaction::new().upsert(
        &CONNECTIONS,
        all([eq("user1", user1), eq("user2", user2)]),
        Changes::new()
            .set("status", ACCEPTED)
            .set_on_insert("createdAt", now)
            .set_on_insert("updatedAt", now),
    );
    match platform.commit(connect).await {
        // A conflict: another delivery made the connection at the same moment.
        Ok(_) | Err(DocumentError::Conflict(_)) => Ok(Disposition::Done),
        Err(error) => Err(error.into()),
    }
}
