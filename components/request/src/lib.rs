//! Connection invites: who asked whom to connect, and what came of it.
//!
//! This file is the table of routes and events; each behaviour has a file of its own. Nothing
//! is kept between calls: requests and the directory of users live in documents, lists are
//! cached (see [`invites`]).

mod cancel;
mod directory;
mod invite_send;
mod invites;
mod invites_received;
mod invites_sent;
mod refusals;
mod request;
mod respond;
mod user_created;

#[cfg(test)]
mod testing;

use pingtalk_sdk::prelude::*;

pingtalk_sdk::service! { http: routes, events: on_event }

fn routes() -> Router {
    Router::new()
        .post("/invite/send", invite_send::invite_send)
        .patch("/respond/:requestId", respond::respond)
        .get("/invites/sent", invites_sent::invites_sent)
        .get("/invites/received", invites_received::invites_received)
        .delete("/cancel/:requestId", cancel::cancel)
}

async fn on_event(platform: pingtalk_sdk::Platform, event: Event) -> Result<Disposition> {
    match event.topic.as_str() {
        user_created::TOPIC => user_created::user_created(&platform, &event).await,
        other => Ok(Disposition::Reject(format!("nothing here consumes {other}"))),
    }
}
