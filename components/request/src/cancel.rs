//! `DELETE /cancel/:requestId`: the sender takes a pending request back.

use pingtalk_sdk::{documents::DocumentError, prelude::*};

use crate::{
    invites, refusals,
    request::{REQUESTS, Request, Status},
};

pub(crate) async fn cancel(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let id = cx.id_param("requestId")?;
    let request = cancellable(&cx, id, me).await?;

    // The write demands again what was read: it may have been answered in between.
    let pending = all([eq("_id", id), eq("fromUserId", me), eq("status", Status::Pending.name())]);
    match cx.commit(Transaction::new().delete(&REQUESTS, pending)).await {
        Ok(_) => {}
        Err(DocumentError::Unmatched) => {
            cancellable(&cx, id, me).await?;
            // Answered, and revived by another invite since: that one is not ours to judge here.
            return Err(refusals::only_pending());
        }
        Err(error) => return Err(error.into()),
    }
    invites::changed(&cx, me, request.to_user_id).await;
    Ok(Response::message("Request cancelled successfully"))
}

/// The request, if the user may cancel it now.
async fn cancellable(cx: &Context, id: Id, me: Id) -> Result<Request> {
    let found = cx.documents().find_one(&REQUESTS, eq("_id", id)).await?;
    let request = found.ok_or_else(refusals::request_not_found)?;
    if request.from_user_id != me {
        return Err(refusals::not_yours_to_cancel());
    }
    if request.status != Status::Pending {
        return Err(refusals::only_pending());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    #[test]
    fn takes_a_pending_request_back() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let answer = world.ask(&world.anna, fake::delete(&format!("/cancel/{id}")));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"message": "Request cancelled successfully"}));
        assert!(world.requests().is_empty());
        world.invited(&world.ben, &world.anna);
    }

    #[test]
    fn refusals() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let cancel = |who, id: &str| {
            let answer = world.ask(who, fake::delete(&format!("/cancel/{id}")));
            (answer.status.as_u16(), answer.message())
        };
        let of = |status, text: &str| (status, text.to_owned());
        assert_eq!(cancel(&world.anna, "12"), of(400, "requestId must be a valid id"));
        assert_eq!(cancel(&world.anna, "0123456789abcdef01234567"), of(404, "Request not found"));
        assert_eq!(cancel(&world.ben, &id), of(403, "You are not allowed to cancel this request"));
        assert_eq!(world.respond(&world.ben, &id, "accepted").status, 200);
        assert_eq!(cancel(&world.anna, &id), of(400, "Only pending requests can be cancelled"));
        assert_eq!(world.requests().len(), 1);
    }

    #[test]
    fn an_answer_in_between_wins() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.host.before_next_commit(|host| {
            let accept = Changes::new().set("status", "accepted");
            let accept = Transaction::new().update(&REQUESTS, Filter::everything(), accept);
            fake::block_on(host.platform().commit(accept)).unwrap();
        });
        let answer = world.ask(&world.anna, fake::delete(&format!("/cancel/{id}")));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.message(), "Only pending requests can be cancelled");
        assert_eq!(world.requests().len(), 1);
    }
}
