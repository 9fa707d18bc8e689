//! `PUT /patchProfile`: changes the logged-in user's profile, and its picture.
//!
//! The new picture is stored before the profile points to it, the old one removed after; so a
//! profile never points nowhere. What may be left behind when something dies in between is a
//! picture nobody sees.

use pingtalk_sdk::{
    Context, Error, Response, Result,
    documents::{Changes, DocumentError, Id, Transaction, Value, all, eq},
    serde_json::json,
};

use crate::{
    cached,
    picture::{self, Source},
    profile::{PROFILES, Profile, stored},
    update::Update,
};

/// How often a change is tried when somebody else keeps changing the same picture.
const ROUNDS: usize = 3;

pub(crate) async fn patch_profile(cx: Context) -> Result<Response> {
    let session = cx.session().await?;
    let update = Update::read(&cx).await?;
    let profile = stored(&cx, session.user).await?.ok_or_else(not_found)?;
    let changes = update.changes(&profile)?;
    let source = Source::of(update, profile.profile_pic.as_deref())?;

    let changed = match source {
        None => commit(&cx, session.user, changes.touch(cx.now())).await?,
        Some(source) => {
            let picture = picture::take_in(&cx, session.user, source).await?;
            with_picture(&cx, profile, changes, picture).await?
        }
    };
    cached::publish(&cx, &changed).await;
    let answer = json!({ "message": "Profile updated successfully", "data": changed });
    Ok(Response::ok(&answer))
}

/// Makes the changes together with the new picture, and removes the one it replaces.
async fn with_picture(
    cx: &Context,
    mut before: Profile,
    changes: Changes,
    picture: picture::Stored,
) -> Result<Profile> {
    let user = before.user_id;
    let changes = changes.set("profilePic", picture.url.as_str()).touch(cx.now());
    for _ in 0..ROUNDS {
        // Whoever replaces a picture removes it, so it must be the one that was there.
        let replaced = before.profile_pic.as_deref().map_or(Value::Null, Value::from);
        let unchanged = all([eq("userId", user), eq("profilePic", replaced)]);
        let transaction = Transaction::new().update(&PROFILES, unchanged, changes.clone());
        match cx.commit(transaction).await {
            Ok(outcomes) => {
                let after = outcomes.first(&PROFILES)?;
                if let Some(url) = before.profile_pic {
                    picture::discard(cx, user, &url).await;
                }
                return Ok(after);
            }
            Err(DocumentError::Unmatched) => {}
            Err(error) => {
                // Past its deadline it may have happened, and the picture be in use.
                if error != DocumentError::DeadlineExceeded {
                    picture::discard(cx, user, &picture.url).await;
                }
                return Err(error.into());
            }
        }
        match stored(cx, user).await? {
            Some(latest) => before = latest,
            None => break,
        }
    }
    picture::discard(cx, user, &picture.url).await;
    Err(Error::unavailable("the profile changed during each try"))
}

async fn commit(cx: &Context, user: Id, changes: Changes) -> Result<Profile> {
    let transaction = Transaction::new().update(&PROFILES, eq("userId", user), changes);
    let outcomes = cx.commit(transaction).await.map_err(|error| match error {
        DocumentError::Unmatched => not_found(),
        other => other.into(),
    })?;
    Ok(outcomes.first(&PROFILES)?)
}

fn not_found() -> Error {
    Error::not_found("Profile not found")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{ANN, ask, edit, host, only, picture, set, with_ann};
    use image::ImageFormat;
    use pingtalk_sdk::{
        blobs::BlobError,
        cache::CacheError,
        fake::{Answer, Failure, Host, get, put},
        serde_json::Value as Json,
    };

    fn change(host: &Host, token: &str, body: &Json) -> Answer {
        ask(host, put("/patchProfile").json(body).token(token))
    }

    fn file(host: &Host, token: &str) -> Answer {
        let png = picture(ImageFormat::Png);
        let form = put("/patchProfile").form(&[], Some(("profilePic", "me.png", &png)));
        ask(host, form.token(token))
    }

    #[test]
    fn changes_the_profile() {
        let (host, token) = with_ann();
        assert_eq!(ask(&host, get("/getProfile").token(&token)).json()["source"], "database");
        let answer = change(&host, &token, &edit());
        assert_eq!(answer.status, 200);
        assert_eq!(answer.message(), "Profile updated successfully");
        let data = &answer.json()["data"];
        for (field, value) in edit().as_object().unwrap() {
            assert_eq!(&data[field], value);
        }
        assert_eq!(data["updatedAt"], "2026-01-02T03:04:05.678Z");
        assert_eq!(data["createdAt"], "1970-01-01T00:00:00.000Z");
        // The next reader sees it, though the old one was cached.
        let read = ask(&host, get("/getProfile").token(&token)).json();
        assert_eq!(&read["data"], data);
        assert_eq!(read["source"], "cache");
    }

    #[test]
    fn keeps_what_is_not_named() {
        let (host, token) = with_ann();
        for body in [json!({}), json!({ "about": "New" })] {
            assert_eq!(change(&host, &token, &body).status, 200);
        }
        let profile = only(&host);
        assert_eq!(profile.about.as_deref(), Some("New"));
        assert_eq!(profile.first_name.as_deref(), Some("Ann"));
        assert_eq!(profile.age, Some(30.into()));
    }

    #[test]
    fn needs_a_session_and_a_profile() {
        let host = host();
        let missing = ask(&host, put("/patchProfile").json(&edit()));
        assert_eq!(missing.status, 401);
        assert_eq!(missing.json(), json!({ "message": "Token Expired, please login again" }));
        let token = host.log_in(ANN);
        let none = change(&host, &token, &edit());
        assert_eq!(none.status, 404);
        assert_eq!(none.message(), "Profile not found");
    }

    #[test]
    fn a_new_picture_replaces_the_old_one() {
        let (host, token) = with_ann();
        let mut names = Vec::new();
        for _ in 0..2 {
            let answer = file(&host, &token);
            assert_eq!(answer.status, 200, "{}", answer.message());
            let stored = host.blob_names("pictures");
            assert_eq!(stored.len(), 1);
            let url = format!("http://blobs.test/pictures/{}", stored[0]);
            assert_eq!(answer.json()["data"]["profilePic"], url.as_str());
            assert!(stored[0].starts_with(&format!("{ANN}/")));
            names.push(stored[0].clone());
        }
        assert_ne!(names[0], names[1]);
        // Sending back what is there changes nothing, and fetches nothing.
        let url = only(&host).profile_pic.unwrap();
        assert_eq!(change(&host, &token, &json!({ "profilePic": url })).status, 200);
        assert_eq!(host.blob_names("pictures"), [names[1].clone()]);
        assert!(host.requests().is_empty());
    }

    #[test]
    fn leaves_pictures_of_other_origin_alone() {
        let (host, token) = with_ann();
        set(&host, "profilePic", "https://res.cloudinary.com/demo/image/upload/v1/ann.jpg");
        assert_eq!(file(&host, &token).status, 200);
        assert_eq!(host.blob_names("pictures").len(), 1);
    }

    #[test]
    fn two_new_pictures_at_once_leave_one() {
        let (host, token) = with_ann();
        let rival = token.clone();
        host.before_next_commit(move |host| assert_eq!(file(host, &rival).status, 200));
        assert_eq!(file(&host, &token).status, 200);
        let url = only(&host).profile_pic.unwrap();
        let names = host.blob_names("pictures");
        assert_eq!(names.len(), 1);
        assert!(url.ends_with(&names[0]));

        // When others change it all the time, the new picture is given up.
        for round in 0..ROUNDS {
            host.before_next_commit(move |host| {
                set(host, "profilePic", &format!("https://example.com/{round}.jpg"));
            });
            // The race itself commits, and takes a place in the queue that holds no race.
            host.before_next_commit(|_| {});
        }
        assert_eq!(file(&host, &token).status, 503);
        assert_eq!(host.blob_names("pictures"), names);
    }

    #[test]
    fn a_failed_change_leaves_no_picture() {
        let (host, token) = with_ann();
        assert_eq!(file(&host, &token).status, 200);
        let (before, names) = (only(&host), host.blob_names("pictures"));
        host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        assert_eq!(file(&host, &token).status, 503);
        for (failure, status) in [
            (BlobError::Unavailable("away".to_owned()), 503),
            (BlobError::QuotaExceeded, 507),
            (BlobError::Denied("pictures".to_owned()), 500),
        ] {
            host.fail_next(Failure::Blobs(failure));
            assert_eq!(file(&host, &token).status, status);
        }
        assert_eq!((only(&host), host.blob_names("pictures")), (before, names));

        // It may have happened: the profile points to the new picture, so that must stay.
        host.fail_next(Failure::LostOutcome);
        assert_eq!(file(&host, &token).status, 504);
        let url = only(&host).profile_pic.unwrap();
        assert!(host.blob_names("pictures").iter().any(|name| url.ends_with(name)));
    }

    #[test]
    fn goes_on_without_the_cache() {
        let (host, token) = with_ann();
        host.fail_always(Failure::Cache(CacheError::Unavailable("away".to_owned())));
        assert_eq!(change(&host, &token, &edit()).status, 200);
        let read = ask(&host, get("/getProfile").token(&token)).json();
        assert_eq!(read["data"]["firstName"], "Anna");
    }
}
