//! `auth.user.created`: a new user's first note.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::note::{self, NOTES, Note};

/// What auth tells of a new user, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    user_id: Id,
    first_name: String,
}

pub(crate) async fn welcome(platform: &Platform, event: &Event) -> Result<Disposition> {
    let created: Created = event.json()?;
    let user = created.user_id;
    let text = format!("Welcome, {}! This is your first note.", created.first_name);
    let note = Note { welcome_for: Some(user), ..Note::new(platform, user, text) };
    match platform.commit(Transaction::new().insert(&NOTES, &note)?).await {
        // The unique index says that an earlier delivery got here: done before.
        Ok(_) | Err(DocumentError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    note::refresh(platform, user).await?;
    Ok(Disposition::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, block_on},
        prelude::*,
    };

    use crate::{fixtures::Notes, note::NOTES, on_event};

    fn event(payload: &pingtalk_sdk::serde_json::Value) -> Event {
        Event {
            id: "event-1".to_owned(),
            topic: "auth.user.created".to_owned(),
            payload: payload.to_string().into_bytes(),
            attempt: 1,
            published_at: Date::from_millis(0),
        }
    }

    #[test]
    fn greets_once_however_often_it_is_delivered() {
        let notes = Notes::new();
        let user = notes.host.new_id();
        let event = event(&json!({"userId": user, "firstName": "Ann", "email": "a@example.com"}));
        for _ in 0..3 {
            let handled = block_on(on_event(notes.host.platform(), event.clone()));
            assert_eq!(handled.unwrap(), Disposition::Done);
        }
        let stored = notes.host.documents(&NOTES);
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].text, "Welcome, Ann! This is your first note.");
    }

    #[test]
    fn comes_back_when_the_store_was_away() {
        let notes = Notes::new();
        notes.host.fail_next(Failure::Commit(DocumentError::Unavailable("down".to_owned())));
        let event = event(&json!({"userId": notes.host.new_id(), "firstName": "Ann"}));
        let handled = block_on(on_event(notes.host.platform(), event.clone()));
        assert!(matches!(Disposition::from(handled), Disposition::Retry(_)));
        let handled = block_on(on_event(notes.host.platform(), event));
        assert_eq!(Disposition::from(handled), Disposition::Done);
    }

    #[test]
    fn a_payload_of_another_shape_is_a_dead_letter() {
        let notes = Notes::new();
        let handled = block_on(on_event(notes.host.platform(), event(&json!({"userId": 1}))));
        assert!(matches!(Disposition::from(handled), Disposition::Reject(_)));
    }
}
