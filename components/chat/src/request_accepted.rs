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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, Failure};

    use super::*;
    use crate::testing::World;

    fn event(payload: &str) -> Event {
        Event {
            id: "e1".to_owned(),
            topic: TOPIC.to_owned(),
            payload: payload.as_bytes().to_vec(),
            attempt: 1,
            published_at: Date::from_millis(0),
        }
    }

    fn handle(world: &World, payload: &str) -> Disposition {
        fake::block_on(crate::on_event(world.host.platform(), event(payload))).into()
    }

    #[test]
    fn connects_two_users_once() {
        let world = World::new();
        let before = world.connections().len();
        world.connect(world.zoe.id, world.anna.id);
        world.connect(world.zoe.id, world.anna.id);
        world.connect(world.anna.id, world.zoe.id);
        assert_eq!(world.connections().len(), before + 1);
        assert!(world.are_connected(world.anna.id, world.zoe.id));
        assert!(world.connections().iter().all(|c| c.user1.to_string() < c.user2.to_string()));
    }

    #[test]
    fn what_can_never_be_handled_is_rejected() {
        let world = World::new();
        let anna = world.anna.id;
        let alone = format!(r#"{{"fromUserId": "{anna}", "toUserId": "{anna}"}}"#);
        for payload in ["", "[]", "{}", r#"{"fromUserId": "x", "toUserId": "y"}"#, &alone] {
            let disposition = handle(&world, payload);
            assert!(matches!(disposition, Disposition::Reject(_)), "{payload}: {disposition:?}");
        }
    }

    #[test]
    fn a_store_that_is_away_means_later() {
        let world = World::new();
        world.host.fail_next(Failure::Commit(DocumentError::DeadlineExceeded));
        let payload =
            format!(r#"{{"fromUserId": "{}", "toUserId": "{}"}}"#, world.anna.id, world.zoe.id);
        assert!(matches!(handle(&world, &payload), Disposition::Retry(_)));
        assert_eq!(handle(&world, &payload), Disposition::Done);
    }
}
