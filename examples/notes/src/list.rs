//! `GET /`: the user's notes, newest first.

use pingtalk_sdk::prelude::*;

use crate::note;

pub(crate) async fn list(cx: Context) -> Result<Response> {
    let session = cx.session().await?;
    let notes = note::of_user(&cx, session.user).await?;
    Ok(Response::ok(&json!({ "data": notes, "count": notes.len() })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use pingtalk_sdk::{
        cache::CacheError,
        documents::DocumentError,
        fake::{Failure, get},
    };

    use crate::{fixtures::Notes, routes};

    #[test]
    fn needs_a_session() {
        let notes = Notes::new();
        let answer = notes.host.request(&routes(), get("/"));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.message(), "Token Expired, please login again");
    }

    #[test]
    fn shows_ones_own_newest_first() {
        let notes = Notes::new();
        let (ann, bob) = (notes.user(), notes.user());
        notes.write(&ann, "first");
        notes.write(&bob, "not hers");
        notes.write(&ann, "second");
        let list = notes.list(&ann);
        assert_eq!(list["count"], 2);
        assert_eq!(list["data"][0]["text"], "second");
        assert_eq!(list["data"][1]["text"], "first");
        assert_eq!(list["data"][0]["createdAt"], "2026-01-02T03:04:08.678Z");
    }

    #[test]
    fn answers_from_the_cache_while_the_store_is_away() {
        let notes = Notes::new();
        let ann = notes.user();
        notes.write(&ann, "kept");
        notes.host.fail_always(Failure::Documents(DocumentError::Unavailable("down".to_owned())));
        assert_eq!(notes.list(&ann)["data"][0]["text"], "kept");
    }

    #[test]
    fn does_without_the_cache() {
        let notes = Notes::new();
        notes.host.fail_always(Failure::Cache(CacheError::Unavailable("down".to_owned())));
        let ann = notes.user();
        notes.write(&ann, "stored");
        assert_eq!(notes.list(&ann)["data"][0]["text"], "stored");
    }

    #[test]
    fn says_when_nothing_can_be_read() {
        let notes = Notes::new();
        let ann = notes.user();
        notes.host.fail_always(Failure::Documents(DocumentError::Unavailable("down".to_owned())));
        let answer = notes.host.request(&routes(), get("/").token(&ann));
        assert_eq!(answer.status, 503);
        assert_ne!(answer.header("retry-after"), "");
    }
}
