//! `PATCH /respond/:requestId`: the recipient accepts or rejects a pending request.
//!
//! The write itself demands that the request is still pending and addressed to the caller, so of
//! two answers at once one counts; the event it causes is part of the same commit.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{
    invites, refusals,
    request::{REQUESTS, Request, Status},
};

/// The payload of `request.accepted` and `request.rejected`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Responded {
    request_id: Id,
    from_user_id: Id,
    to_user_id: Id,
    responded_at: Date,
}

#[derive(Serialize)]
struct Answer<'a> {
    message: String,
    data: &'a Request,
}

pub(crate) async fn respond(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let body = cx.json().await?;
    let status = match body.text("status")? {
        None | Some("") => return Err(refusals::status_required()),
        Some("accepted") => Status::Accepted,
        Some("rejected") => Status::Rejected,
        Some(_) => return Err(refusals::unknown_status()),
    };
    let id = cx.id_param("requestId")?;

    let pending = all([eq("_id", id), eq("toUserId", me), eq("status", Status::Pending.name())]);
    let found = cx.documents().find_one(&REQUESTS, pending.clone()).await?;
    let request = found.ok_or_else(refusals::not_found_or_answered)?;

    let now = cx.now();
    let changes = Changes::new().set("status", status.name()).touch(now);
    let changes = match status {
        // Frees both directions for another invite.
        Status::Rejected => changes.unset("pair"),
        _ => changes,
    };
    let responded = Responded {
        request_id: id,
        from_user_id: request.from_user_id,
        to_user_id: me,
        responded_at: now,
    };
    let transaction = Transaction::new()
        .update(&REQUESTS, pending, changes)
        .publish(format!("request.{}", status.name()), &responded)?;
    let request = match cx.commit(transaction).await {
        Ok(outcomes) => outcomes.first(&REQUESTS)?,
        // Answered or cancelled in between.
        Err(DocumentError::Unmatched) => return Err(refusals::not_found_or_answered()),
        Err(error) => return Err(error.into()),
    };
    invites::changed(&cx, request.from_user_id, me).await;
    let message = format!("Request {} successfully", status.name());
    Ok(Response::ok(&Answer { message, data: &request }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake::{self, Failure};

    use super::*;
    use crate::testing::World;

    #[test]
    fn accepting_publishes_with_the_write() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.host.advance(std::time::Duration::from_secs(1));
        let answer = world.respond(&world.ben, &id, "accepted");
        assert_eq!(answer.status, 200);
        let body = answer.json();
        assert_eq!(body["message"], "Request accepted successfully");
        assert_eq!(body["data"]["status"], "accepted");
        assert_eq!(body["data"]["updatedAt"], "2026-01-02T03:04:06.678Z");
        let published = world.host.published();
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].topic, "request.accepted");
        assert_eq!(
            published[0].payload,
            json!({
                "requestId": id,
                "fromUserId": world.anna.id,
                "toUserId": world.ben.id,
                "respondedAt": "2026-01-02T03:04:06.678Z",
            })
        );
    }

    #[test]
    fn rejecting_publishes_too() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let answer = world.respond(&world.ben, &id, "rejected");
        assert_eq!(answer.json()["message"], "Request rejected successfully");
        assert_eq!(world.host.published()[0].topic, "request.rejected");
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let path = format!("/respond/{id}");
        for (path, body, status, message) in [
            (path.as_str(), json!({}), 400, "status is required"),
            (&path, json!({"status": ""}), 400, "status is required"),
            (&path, json!({"status": "pending"}), 400, "status must be 'accepted' or 'rejected'"),
            (&path, json!({"status": "Accepted"}), 400, "status must be 'accepted' or 'rejected'"),
            (&path, json!({"status": {"$ne": 1}}), 400, "status must be a string"),
            ("/respond/12", json!({"status": "accepted"}), 400, "requestId must be a valid id"),
            (
                "/respond/0123456789abcdef01234567",
                json!({"status": "accepted"}),
                404,
                "Request not found or already responded",
            ),
        ] {
            let answer = world.ask(&world.ben, fake::patch(path).json(&body));
            assert_eq!(
                (answer.status.as_u16(), answer.message().as_str()),
                (status, message),
                "{path} {body}"
            );
        }
        assert!(world.host.published().is_empty());
    }

    #[test]
    fn only_the_recipient_answers_and_only_once() {
        let world = World::new();
        let cleo = world.person("cleo@example.com");
        let id = world.invited(&world.anna, &world.ben);
        for who in [&world.anna, &cleo] {
            let answer = world.respond(who, &id, "accepted");
            assert_eq!(answer.status, 404);
            assert_eq!(answer.message(), "Request not found or already responded");
        }
        assert_eq!(world.respond(&world.ben, &id, "accepted").status, 200);
        assert_eq!(world.respond(&world.ben, &id, "rejected").status, 404);
        assert_eq!(world.host.published().len(), 1);
    }

    #[test]
    fn a_request_cancelled_in_between_is_gone() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.host.before_next_commit(|host| {
            let platform = host.platform();
            let all = Transaction::new().delete_all(&REQUESTS, Filter::everything());
            fake::block_on(platform.commit(all)).unwrap();
        });
        assert_eq!(world.respond(&world.ben, &id, "accepted").status, 404);
        assert!(world.host.published().is_empty());
    }

    #[test]
    fn a_failed_commit_publishes_nothing() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.host.fail_next(Failure::Commit(DocumentError::QuotaExceeded));
        assert_eq!(world.respond(&world.ben, &id, "accepted").status, 507);
        assert!(world.host.published().is_empty());
        assert_eq!(world.requests()[0].status, Status::Pending);
    }
}
