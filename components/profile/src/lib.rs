//! Profiles: what users show of themselves, pictures included.
//!
//! A profile comes into being with the event `auth.user.created` and belongs to one user ever
//! after. Reads go through the cache, which every change overwrites.

mod cached;
#[cfg(test)]
mod fixtures;
mod get_profile;
mod patch_profile;
mod picture;
mod profile;
mod profile_by_id;
mod update;
mod user_created;

use pingtalk_sdk::{
    Error, Platform, Result, Router,
    events::{Disposition, Event},
};

pingtalk_sdk::service! { http: routes, events: on_event }

fn routes() -> Router {
    Router::new()
        .get("/getProfile", get_profile::get_profile)
        .put("/patchProfile", patch_profile::patch_profile)
        .get("/profile/:userId", profile_by_id::profile_by_id)
}

async fn on_event(platform: Platform, event: Event) -> Result<Disposition> {
    match event.topic.as_str() {
        user_created::TOPIC => user_created::user_created(&platform, &event).await,
        other => Err(Error::bad_request(format!("no handler for {other}"))),
    }
}
