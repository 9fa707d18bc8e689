//! `GET /getProfile`: the logged-in user's own profile.

use pingtalk_sdk::{Context, Error, Response, Result, serde_json::json};

use crate::cached;

pub(crate) async fn get_profile(cx: Context) -> Result<Response> {
    let session = cx.session().await?;
    let found = cached::read(&cx, session.user).await?;
    let (profile, source) = found.ok_or_else(|| Error::not_found("Profile not found"))?;
    Ok(Response::ok(&json!({ "data": profile, "source": source })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{ANN, ask, host, set, with_ann};
    use pingtalk_sdk::{
        cache::CacheError,
        documents::DocumentError,
        fake::{Failure, get},
    };
    use std::time::Duration;

    #[test]
    fn comes_from_the_database_then_from_the_cache() {
        let (host, token) = with_ann();
        let expected = json!({
            "_id": "090909090909090909090909",
            "userId": ANN,
            "firstName": "Ann",
            "lastName": "Lee",
            "about": "Hello",
            "age": 30,
            "gender": "female",
            "createdAt": "1970-01-01T00:00:00.000Z",
            "updatedAt": "1970-01-01T00:00:00.000Z",
        });
        for source in ["database", "cache", "cache"] {
            let answer = ask(&host, get("/getProfile").token(&token));
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json(), json!({ "data": expected, "source": source }));
        }
        // Where and as the original's service finds it.
        assert_eq!(host.cached(&format!("profile:{ANN}")), Some(expected));
        host.advance(Duration::from_secs(600));
        assert_eq!(ask(&host, get("/GETPROFILE/").token(&token)).json()["source"], "database");
    }

    #[test]
    fn goes_on_without_the_cache() {
        let (host, token) = with_ann();
        host.fail_always(Failure::Cache(CacheError::Unavailable("away".to_owned())));
        for name in ["Anna", "Anne"] {
            set(&host, "firstName", name);
            let answer = ask(&host, get("/getProfile").token(&token)).json();
            assert_eq!(answer["data"]["firstName"], name);
            assert_eq!(answer["source"], "database");
        }
    }

    #[test]
    fn tells_what_is_wrong() {
        let host = host();
        let missing = ask(&host, get("/getProfile"));
        assert_eq!(missing.status, 401);
        assert_eq!(missing.json(), json!({ "message": "Token Expired, please login again" }));
        let invalid = ask(&host, get("/getProfile").token("x.y.z"));
        assert_eq!(invalid.status, 401);
        assert_eq!(invalid.json(), json!({ "error": "Invalid or expired token" }));

        let token = host.log_in(ANN);
        let none = ask(&host, get("/getProfile").token(&token));
        assert_eq!(none.status, 404);
        assert_eq!(none.json(), json!({ "message": "Profile not found" }));
        host.fail_always(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        assert_eq!(ask(&host, get("/getProfile").token(&token)).status, 503);
    }
}
