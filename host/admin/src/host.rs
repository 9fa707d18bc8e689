//! The host itself: health, figures, the audit log, the end.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use crate::{
    answer::{self, Answer},
    call::{Admin, Call},
    metrics,
    problem::Problem,
    routes::Action,
};

/// The API's description.
pub(crate) const OPENAPI: &str = include_str!("../api/openapi.json");

pub(crate) async fn answer(admin: &Admin, call: &Call) -> Answer {
    let platform = &admin.parts.platform;
    match call.action {
        Action::OpenApi => {
            let body = Bytes::from_static(OPENAPI.as_bytes());
            Ok(answer::bytes(StatusCode::OK, "application/json", body))
        }
        Action::Health => {
            let store = admin.parts.store.revision().await.map_err(|error| error.to_string());
            match store.map(|_| ()).and(platform.health().await) {
                Ok(()) => answer::ok(&json!({ "status": "ok" })),
                Err(why) => {
                    // The reason may name servers: it is for the log, not for everybody.
                    tracing::warn!(why, "not healthy");
                    Err(Problem::unavailable("this host can't do its work now: see its log"))
                }
            }
        }
        Action::Status => answer::ok(&platform.status().await),
        Action::Metrics => {
            let text = metrics::render(&platform.status().await);
            Ok(answer::bytes(StatusCode::OK, metrics::CONTENT_TYPE, text.into()))
        }
        Action::Drain => {
            platform.drain();
            answer::json(StatusCode::ACCEPTED, &json!({ "status": "draining" }))
        }
        _ => {
            let tenant = call.parameter("tenant");
            let limit = call.limit(100, 500)?;
            answer::ok(&admin.parts.store.audit_log(tenant.as_deref(), limit).await?)
        }
    }
}
