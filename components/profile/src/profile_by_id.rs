//! `GET /profile/:userId`: anybody's profile, for whoever is logged in. It shows age and gender, and
//! ids are handed around in chats, so knowing one must not be enough.

use pingtalk_sdk::{Context, Error, Response, Result, serde_json::json};

use crate::cached;

pub(crate) async fn profile_by_id(cx: Context) -> Result<Response> {
    cx.session().await?;
    let user = cx.id_param("userId")?;
    let found = cached::read(&cx, user).await?;
    let (profile, _) = found.ok_or_else(|| Error::not_found("Profile not found"))?;
    Ok(Response::ok(&json!({ "data": profile })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{ANN, ask, with_ann};
    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, get},
    };

    #[test]
    fn shows_a_profile() {
        let (host, token) = with_ann();
        for _ in 0..2 {
            let answer = ask(&host, get(&format!("/Profile/{ANN}/")).token(&token));
            assert_eq!(answer.status, 200);
            let body = answer.json();
            assert_eq!(body["data"]["firstName"], "Ann");
            assert!(body.get("source").is_none());
        }
    }

    #[test]
    fn refuses_the_rest() {
        let (host, token) = with_ann();
        let ask = |path: &str| ask(&host, get(path).token(&token));
        let unknown = ask("/profile/ffffffffffffffffffffffff");
        assert_eq!(unknown.status, 404);
        assert_eq!(unknown.json(), json!({ "message": "Profile not found" }));
        for malformed in
            ["x", "0707070707070707070707", "zzzzzzzzzzzzzzzzzzzzzzzz", "%7B%22$ne%22:1%7D"]
        {
            let answer = ask(&format!("/profile/{malformed}"));
            assert_eq!(answer.status, 400, "{malformed}");
            assert_eq!(answer.message(), "userId must be a valid id");
        }
        host.fail_always(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        assert_eq!(ask("/profile/ffffffffffffffffffffffff").status, 503);
    }

    #[test]
    fn shows_nothing_to_strangers() {
        let (host, _) = with_ann();
        let answer = ask(&host, get(&format!("/profile/{ANN}")));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json(), json!({ "message": "Token Expired, please login again" }));
    }
}
