//! `POST /invite/send`: asks the user with an e-mail address to connect.
//!
//! A rejected invite may be sent again; that revives its document. The unique indexes on the
//! requests decide between two that are sent at once (see [`crate::request`]).

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{
    directory, invites, refusals,
    request::{DEFAULT_MESSAGE, REQUESTS, Request, Status, pair},
};

#[derive(Serialize)]
struct Sent<'a> {
    message: &'static str,
    data: &'a Request,
}

pub(crate) async fn invite_send(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let email = directory::normal_email(body.text("toEmail")?.unwrap_or_default());
    if email.is_empty() {
        return Err(refusals::to_email_required());
    }
    let recipient = directory::by_email(&cx, &email).await?;
    let them = recipient.ok_or_else(refusals::user_not_found)?.user_id;
    if them == me {
        return Err(refusals::to_yourself());
    }

    let request = store(&cx, me, them).await?;
    invites::changed(&cx, me, them).await;
    Ok(Response::created(&Sent { message: "Invite sent successfully", data: &request }))
}

async fn store(cx: &Context, me: Id, them: Id) -> Result<Request> {
    let between = any([
        all([eq("fromUserId", me), eq("toUserId", them)]),
        all([eq("fromUserId", them), eq("toUserId", me)]),
    ]);
    let earlier = cx.documents().find(&REQUESTS, between).await?;
    if earlier.iter().any(|request| request.status != Status::Rejected) {
        return Err(refusals::invite_exists());
    }
    let now = cx.now();
    let transaction = match earlier.iter().find(|request| request.from_user_id == me) {
        Some(rejected) => Transaction::new().update(
            &REQUESTS,
            all([eq("_id", rejected.id), eq("status", Status::Rejected.name())]),
            Changes::new()
                .set("status", Status::Pending.name())
                .set("message", DEFAULT_MESSAGE)
                .set("pair", pair(me, them))
                .set("createdAt", now)
                .touch(now),
        ),
        None => {
            let request = Request::new(cx.new_id(), me, them, now);
            Transaction::new().insert(&REQUESTS, &request)?
        }
    };
    match cx.commit(transaction).await {
        Ok(outcomes) => Ok(outcomes.first(&REQUESTS)?),
        // Another invite between the two, in either direction, came in first.
        Err(DocumentError::Conflict(_) | DocumentError::Unmatched) => {
            Err(refusals::invite_exists())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, Failure};

    use super::*;
    use crate::{request::Request as Stored, testing::World};

    #[test]
    fn stores_a_pending_request() {
        let world = World::new();
        let body = json!({"toEmail": "  BEN@Example.com "});
        let answer = world.ask(&world.anna, fake::post("/Invite/Send/").json(&body));
        assert_eq!(answer.status, 201);
        let stored = &world.requests()[0];
        assert_eq!(
            answer.json(),
            json!({"message": "Invite sent successfully", "data": {
                "_id": stored.id,
                "fromUserId": world.anna.id,
                "toUserId": world.ben.id,
                "status": "pending",
                "message": "Hi! Let's connect on chat.",
                "inviteSent": false,
                "emailSent": false,
                "createdAt": "2026-01-02T03:04:05.678Z",
                "updatedAt": "2026-01-02T03:04:05.678Z",
            }})
        );
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let ask = |body| world.ask(&world.anna, fake::post("/invite/send").json(&body));
        for (body, status, message) in [
            (json!({}), 400, "toEmail is required"),
            (json!({"toEmail": ""}), 400, "toEmail is required"),
            (json!({"toEmail": "  "}), 400, "toEmail is required"),
            (json!({"toEmail": null}), 400, "toEmail is required"),
            (json!({"toEmail": {"$ne": ""}}), 400, "toEmail must be a string"),
            (json!({"toEmail": ["ben@example.com"]}), 400, "toEmail must be a string"),
            (json!([]), 400, "Request body must be a JSON object"),
            (json!({"toEmail": "nobody@example.com"}), 404, "User not found!"),
            (json!({"toEmail": "x".repeat(5_000)}), 404, "User not found!"),
            (json!({"toEmail": "anna@example.com"}), 400, "You cannot send request to yourself"),
        ] {
            let answer = ask(body.clone());
            assert_eq!(
                (answer.status.as_u16(), answer.message().as_str()),
                (status, message),
                "{body}"
            );
        }
        let answer = world.ask(&world.anna, fake::post("/invite/send"));
        assert_eq!(
            (answer.status.as_u16(), answer.message().as_str()),
            (400, "toEmail is required")
        );
        let answer = world
            .ask(&world.anna, fake::post("/invite/send").body("application/json", "{\"toEmail\""));
        assert_eq!(answer.status, 400);
        assert!(world.requests().is_empty());
    }

    #[test]
    fn needs_a_session() {
        let world = World::new();
        let answer = world.host.request(&crate::routes(), fake::post("/invite/send"));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.message(), "Token Expired, please login again");
        let answer = world.host.request(&crate::routes(), fake::post("/invite/send").token("x"));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json(), json!({"error": "Invalid or expired token"}));
    }

    #[test]
    fn one_between_two_in_either_direction() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let again = [world.invite(&world.anna, &world.ben), world.invite(&world.ben, &world.anna)];
        for answer in again {
            assert_eq!(answer.status, 400);
            assert_eq!(answer.message(), "Invite request already exists");
        }
        assert_eq!(world.respond(&world.ben, &id, "accepted").status, 200);
        for answer in [world.invite(&world.anna, &world.ben), world.invite(&world.ben, &world.anna)]
        {
            assert_eq!(answer.message(), "Invite request already exists");
        }
        assert_eq!(world.requests().len(), 1);
    }

    #[test]
    fn of_two_crossing_invites_one_is_stored() {
        let world = World::new();
        let (anna, ben) = (world.anna.id, world.ben.id);
        world.host.before_next_commit(move |host| {
            let crossing = Stored::new(host.new_id(), ben, anna, host.platform().now());
            host.insert(&REQUESTS, &crossing);
        });
        let answer = world.invite(&world.anna, &world.ben);
        assert_eq!(answer.status, 400);
        assert_eq!(answer.message(), "Invite request already exists");
        assert_eq!(world.requests().len(), 1);
    }

    #[test]
    fn of_two_equal_invites_one_is_stored() {
        let world = World::new();
        let (anna, ben) = (world.anna.id, world.ben.id);
        world.host.before_next_commit(move |host| {
            let same = Stored::new(host.new_id(), anna, ben, host.platform().now());
            host.insert(&REQUESTS, &same);
        });
        assert_eq!(world.invite(&world.anna, &world.ben).status, 400);
        assert_eq!(world.requests().len(), 1);
    }

    #[test]
    fn an_invite_that_the_original_stored_counts() {
        let world = World::new();
        let mut stored = Stored::new(
            world.host.new_id(),
            world.ben.id,
            world.anna.id,
            world.host.platform().now(),
        );
        stored.pair = None;
        world.host.insert(&REQUESTS, &stored);
        assert_eq!(world.invite(&world.anna, &world.ben).status, 400);
    }

    #[test]
    fn a_rejected_one_is_sent_again_in_its_document() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        assert_eq!(world.respond(&world.ben, &id, "rejected").status, 200);
        world.host.advance(std::time::Duration::from_secs(60));
        let answer = world.invite(&world.anna, &world.ben);
        assert_eq!(answer.status, 201);
        let body = answer.json();
        assert_eq!(body["data"]["_id"], json!(id));
        assert_eq!(body["data"]["status"], "pending");
        assert_eq!(body["data"]["createdAt"], "2026-01-02T03:05:05.678Z");
        assert_eq!(body["data"].get("pair"), None);
        // And it holds the pair again.
        assert_eq!(world.invite(&world.ben, &world.anna).status, 400);
        assert_eq!(world.requests().len(), 1);
    }

    #[test]
    fn after_a_rejection_the_other_direction_is_free_too() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        assert_eq!(world.respond(&world.ben, &id, "rejected").status, 200);
        assert_ne!(world.invited(&world.ben, &world.anna), id);
        assert_eq!(world.requests().len(), 2);
        assert_eq!(world.invite(&world.anna, &world.ben).status, 400);
    }

    #[test]
    fn reviving_loses_against_a_crossing_invite() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        assert_eq!(world.respond(&world.ben, &id, "rejected").status, 200);
        let (anna, ben) = (world.anna.id, world.ben.id);
        world.host.before_next_commit(move |host| {
            let crossing = Stored::new(host.new_id(), ben, anna, host.platform().now());
            host.insert(&REQUESTS, &crossing);
        });
        assert_eq!(
            world.invite(&world.anna, &world.ben).message(),
            "Invite request already exists"
        );
    }

    #[test]
    fn a_store_that_is_away_is_503() {
        let world = World::new();
        world.host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        let answer = world.invite(&world.anna, &world.ben);
        assert_eq!(answer.status, 503);
        assert!(!answer.header("retry-after").is_empty());
        assert!(!answer.message().contains("away"));
    }

    #[test]
    fn a_cache_that_is_away_costs_nothing_but_time() {
        let world = World::new();
        world.host.fail_always(Failure::Cache(pingtalk_sdk::cache::CacheError::Unavailable(
            "away".to_owned(),
        )));
        world.invited(&world.anna, &world.ben);
        assert_eq!(world.list(&world.ben, "received").0.len(), 1);
    }
}
