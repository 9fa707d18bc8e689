//! Notes to oneself: the service that `docs/guides/add-a-service.md` builds. This file is the
//! table of its routes and events; each behaviour has a file of its own.

mod create;
#[cfg(test)]
mod fixtures;
mod list;
mod note;
mod remove;
mod welcome;

use pingtalk_sdk::prelude::*;

pingtalk_sdk::service! {
    http: routes,
    events: on_event,
}

fn routes() -> Router {
    Router::new().get("/", list::list).post("/", create::create).delete("/:noteId", remove::remove)
}

async fn on_event(platform: Platform, event: Event) -> Result<Disposition> {
    match event.topic.as_str() {
        "auth.user.created" => welcome::welcome(&platform, &event).await,
        other => Ok(Disposition::Reject(format!("nobody handles {other}"))),
    }
}
