//! `auth.user.created`: enters a new user into the directory. Idempotent: a user who is in it
//! already stays as they are.

use pingtalk_sdk::{Platform, documents::DocumentError, prelude::*};

use crate::directory::{USERS, normal_email};

pub(crate) const TOPIC: &str = "auth.user.created";

/// What matters here of the event's payload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserCreated {
    user_id: Id,
    email: String,
}

pub(crate) async fn user_created(platform: &Platform, event: &Event) -> Result<Disposition> {
    let UserCreated { user_id, email } = event.json()?;
    let now = platform.now();
    let entry = Changes::new()
        .set_on_insert("email", normal_email(&email))
        .set_on_insert("createdAt", now)
        .set_on_insert("updatedAt", now);
    let entered = Transaction::new().upsert(&USERS, eq("userId", user_id), entry);
    match platform.commit(entered).await {
        Ok(_) => Ok(Disposition::Done),
        Err(DocumentError::Conflict(_)) => settle_conflict(platform, user_id).await,
        Err(error) => Err(error.into()),
    }
}

/// Two deliveries of one event raced, which is fine, or the address belongs to somebody else,
/// which trying again can't mend.
async fn settle_conflict(platform: &Platform, user_id: Id) -> Result<Disposition> {
    if platform.documents().exists(&USERS, eq("userId", user_id)).await? {
        Ok(Disposition::Done)
    } else {
        Ok(Disposition::Reject(format!("the e-mail address of user {user_id} is another user's")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, Failure};

    use super::*;
    use crate::{directory::User, testing::World};

    fn event(payload: &str) -> Event {
        Event {
            id: "e1".to_owned(),
            topic: TOPIC.to_owned(),
            payload: payload.as_bytes().to_vec(),
            attempt: 1,
            published_at: Date::from_millis(0),
        }
    }

    fn handle(world: &World, event: Event) -> Disposition {
        fake::block_on(crate::on_event(world.host.platform(), event)).into()
    }

    const CLEO: &str = r#"{"userId": "0123456789abcdef01234567", "email": "Cleo@Example.com",
        "firstName": "Cleo", "lastName": "C", "createdAt": "2026-01-01T00:00:00.000Z"}"#;

    #[test]
    fn enters_a_user_once() {
        let world = World::new();
        assert_eq!(handle(&world, event(CLEO)), Disposition::Done);
        assert_eq!(handle(&world, event(CLEO)), Disposition::Done);
        let users: Vec<User> = world.host.documents(&USERS);
        assert_eq!(users.len(), 3);
        assert_eq!(users[2].email, "cleo@example.com");
        let cleo =
            crate::testing::Person { email: "cleo@example.com".to_owned(), ..world.ben.clone() };
        world.invited(&world.anna, &cleo);
    }

    #[test]
    fn what_can_never_be_handled_is_rejected() {
        let world = World::new();
        for payload in
            ["", "{}", "[]", r#"{"userId": 1, "email": "x"}"#, r#"{"userId": "zz", "email": "x"}"#]
        {
            let disposition = handle(&world, event(payload));
            assert!(matches!(disposition, Disposition::Reject(_)), "{payload}: {disposition:?}");
        }
        let taken = r#"{"userId": "0123456789abcdef01234567", "email": "ben@example.com"}"#;
        assert!(matches!(handle(&world, event(taken)), Disposition::Reject(_)));
        let mut other = event(CLEO);
        other.topic = "something.else".to_owned();
        assert!(matches!(handle(&world, other), Disposition::Reject(_)));
    }

    #[test]
    fn a_store_that_is_away_means_later() {
        let world = World::new();
        world.host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        assert!(matches!(handle(&world, event(CLEO)), Disposition::Retry(_)));
        assert_eq!(handle(&world, event(CLEO)), Disposition::Done);
    }
}
