//! `DELETE /:noteId`: removes one of the user's notes.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::note::{self, NOTES};

pub(crate) async fn remove(cx: Context) -> Result<Response> {
    let session = cx.session().await?;
    let id = cx.id_param("noteId")?;
    // Whose it is belongs to the condition: nobody can remove another's note, nor learn of it.
    let own = all([eq("_id", id), eq("userId", session.user)]);
    match cx.commit(Transaction::new().delete(&NOTES, own)).await {
        Ok(_) => {}
        Err(DocumentError::Unmatched) => return Err(Error::not_found("Note not found")),
        Err(error) => return Err(error.into()),
    }
    note::refresh(&cx, session.user).await?;
    Ok(Response::message("Note deleted successfully"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use pingtalk_sdk::fake::delete;

    use crate::{fixtures::Notes, note::NOTES, routes};

    #[test]
    fn removes_ones_own() {
        let notes = Notes::new();
        let ann = notes.user();
        let id = notes.write(&ann, "gone soon");
        let request = delete(&format!("/{id}")).token(&ann);
        assert_eq!(notes.host.request(&routes(), request.clone()).status, 200);
        assert_eq!(notes.list(&ann)["count"], 0);
        assert_eq!(notes.host.request(&routes(), request).status, 404);
    }

    #[test]
    fn leaves_anothers_alone() {
        let notes = Notes::new();
        let (ann, bob) = (notes.user(), notes.user());
        let id = notes.write(&ann, "hers");
        let answer = notes.host.request(&routes(), delete(&format!("/{id}")).token(&bob));
        assert_eq!(answer.status, 404);
        assert_eq!(notes.host.documents(&NOTES).len(), 1);
    }

    #[test]
    fn refuses_what_is_no_id() {
        let notes = Notes::new();
        let ann = notes.user();
        let answer = notes.host.request(&routes(), delete("/12").token(&ann));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.message(), "noteId must be a valid id");
    }
}
