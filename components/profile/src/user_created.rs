//! The event `auth.user.created`: a new user gets a profile.
//!
//! It may come more than once, and late: a profile that exists is left as it is.

use pingtalk_sdk::{
    Error, Platform, Result,
    documents::{Changes, DocumentError, Id, Transaction, eq},
    events::{Disposition, Event},
    serde::Deserialize,
};

use crate::profile::PROFILES;

/// Published by auth.
pub(crate) const TOPIC: &str = "auth.user.created";

#[derive(Deserialize)]
#[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
struct UserCreated {
    user_id: Id,
    first_name: String,
    last_name: String,
}

pub(crate) async fn user_created(platform: &Platform, event: &Event) -> Result<Disposition> {
    let user: UserCreated = event.json()?;
    let now = platform.now();
    // Nothing but insertions, so that a repetition changes nothing.
    let changes = Changes::new()
        .set_on_insert("firstName", user.first_name)
        .set_on_insert("lastName", user.last_name)
        .set_on_insert("createdAt", now)
        .set_on_insert("updatedAt", now);
    let profile = Transaction::new().upsert(&PROFILES, eq("userId", user.user_id), changes);
    match platform.commit(profile).await {
        // A conflict: a delivery of the same event at the same time was faster.
        Ok(_) | Err(DocumentError::Conflict(_)) => Ok(Disposition::Done),
        Err(error) => Err(Error::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{ANN, host, only, set},
        on_event,
    };
    use pingtalk_sdk::{
        documents::Date,
        fake::{Failure, Host, block_on},
        serde_json::{Value, json},
    };

    fn deliver(host: &Host, topic: &str, payload: &Value) -> Disposition {
        let event = Event {
            id: "e1".to_owned(),
            topic: topic.to_owned(),
            payload: payload.to_string().into_bytes(),
            attempt: 1,
            published_at: Date::from_millis(0),
        };
        Disposition::from(block_on(on_event(host.platform(), event)))
    }

    fn ann() -> Value {
        json!({
            "userId": ANN,
            "email": "ann@example.com",
            "firstName": "Ann",
            "lastName": "Lee",
            "createdAt": "2026-01-02T03:04:05.678Z",
        })
    }

    #[test]
    fn makes_a_profile() {
        let host = host();
        assert_eq!(deliver(&host, TOPIC, &ann()), Disposition::Done);
        let profile = only(&host);
        assert_eq!(profile.user_id, ANN);
        assert_eq!(profile.first_name.as_deref(), Some("Ann"));
        assert_eq!(profile.last_name.as_deref(), Some("Lee"));
        assert_eq!(profile.created_at, Some(host.platform().now()));
        assert_eq!(profile.updated_at, profile.created_at);
        assert_eq!(profile.about, None);
    }

    #[test]
    fn a_repetition_changes_nothing() {
        let host = host();
        deliver(&host, TOPIC, &ann());
        set(&host, "firstName", "Anna");
        let before = only(&host);
        host.advance(std::time::Duration::from_secs(60));
        assert_eq!(deliver(&host, TOPIC, &ann()), Disposition::Done);
        assert_eq!(only(&host), before);
    }

    #[test]
    fn two_deliveries_at_once_make_one_profile() {
        let host = host();
        host.fail_next(Failure::Commit(DocumentError::Conflict("userId".to_owned())));
        assert_eq!(deliver(&host, TOPIC, &ann()), Disposition::Done);
        host.before_next_commit(|host| {
            assert_eq!(deliver(host, TOPIC, &ann()), Disposition::Done);
        });
        assert_eq!(deliver(&host, TOPIC, &ann()), Disposition::Done);
        only(&host);
    }

    #[test]
    fn an_outage_is_tried_again() {
        let host = host();
        for error in [
            DocumentError::Unavailable("away".to_owned()),
            DocumentError::DeadlineExceeded,
            DocumentError::QuotaExceeded,
        ] {
            host.fail_next(Failure::Commit(error));
            assert!(matches!(deliver(&host, TOPIC, &ann()), Disposition::Retry(_)));
        }
        assert_eq!(deliver(&host, TOPIC, &ann()), Disposition::Done);
    }

    #[test]
    fn what_can_never_be_handled_is_a_dead_letter() {
        let host = host();
        for payload in [
            json!({}),
            json!([]),
            json!({ "userId": "x", "firstName": "Ann", "lastName": "Lee" }),
            json!({ "userId": { "$oid": ANN }, "firstName": "Ann", "lastName": "Lee" }),
            json!({ "userId": ANN, "firstName": 1, "lastName": "Lee" }),
        ] {
            let disposition = deliver(&host, TOPIC, &payload);
            assert!(matches!(disposition, Disposition::Reject(_)), "{payload}");
        }
        let other = deliver(&host, "auth.user.deleted", &ann());
        assert!(matches!(other, Disposition::Reject(_)));
        assert!(host.documents(&PROFILES).is_empty());
    }
}
