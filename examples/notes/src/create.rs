//! `POST / {text}`: writes a note.

use pingtalk_sdk::prelude::*;

use crate::note::{self, MAX_NOTES, MAX_TEXT, NOTES, Note};

pub(crate) async fn create(cx: Context) -> Result<Response> {
    let session = cx.session().await?;
    let body = cx.json().await?;
    let text = body.required_text("text", "text is required")?.trim();
    if text.is_empty() {
        return Err(Error::bad_request("text is required"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(Error::bad_request(format!("text must have at most {MAX_TEXT} characters")));
    }
    let own = eq("userId", session.user);
    if cx.documents().count(&NOTES, own, MAX_NOTES).await? >= MAX_NOTES {
        return Err(Error::bad_request(format!("You can keep at most {MAX_NOTES} notes")));
    }
    let note = Note::new(&cx, session.user, text);
    let event = json!({ "noteId": note.id, "userId": note.user_id, "createdAt": note.created_at });
    let transaction =
        Transaction::new().insert(&NOTES, &note)?.publish("notes.note.created", &event)?;
    cx.commit(transaction).await?;
    note::refresh(&cx, session.user).await?;
    Ok(Response::created(&json!({ "message": "Note created successfully", "data": note })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, post},
        prelude::*,
    };

    use crate::{fixtures::Notes, note::NOTES, routes};

    #[test]
    fn stores_the_note_and_tells_about_it() {
        let notes = Notes::new();
        let ann = notes.user();
        let request = post("/").json(&json!({"text": "  buy milk "})).token(&ann);
        let answer = notes.host.request(&routes(), request);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["data"]["text"], "buy milk");
        let stored = notes.host.documents(&NOTES);
        assert_eq!(stored.len(), 1);
        let events = notes.host.published();
        assert_eq!(events[0].topic, "notes.note.created");
        assert_eq!(events[0].payload["noteId"], json!(stored[0].id));
    }

    #[test]
    fn refuses_what_is_no_text() {
        let notes = Notes::new();
        let ann = notes.user();
        for (body, message) in [
            (json!({}), "text is required"),
            (json!({"text": " "}), "text is required"),
            (json!({"text": {"$ne": ""}}), "text must be a string"),
            (json!({"text": "x".repeat(1_001)}), "text must have at most 1000 characters"),
        ] {
            let answer = notes.host.request(&routes(), post("/").json(&body).token(&ann));
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.message(), message, "{body}");
        }
        assert!(notes.host.documents(&NOTES).is_empty());
    }

    #[test]
    fn tells_nothing_when_nothing_was_stored() {
        let notes = Notes::new();
        let ann = notes.user();
        notes.host.fail_next(Failure::Commit(DocumentError::Unavailable("down".to_owned())));
        let request = post("/").json(&json!({"text": "lost"})).token(&ann);
        assert_eq!(notes.host.request(&routes(), request).status, 503);
        assert!(notes.host.published().is_empty());
        assert_eq!(notes.list(&ann)["count"], 0);
    }
}
