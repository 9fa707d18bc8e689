//! The admin API and the console, on a listener of their own.

mod platform;
mod process;
mod queues;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use http::HeaderValue;
use pingtalk_admin::{Admin, CONSOLE, MAX_BODY_BYTES, POLICY};
use pingtalk_capabilities::calls::HttpHandler;
use pingtalk_gateway::{Gateway, Match, OneSite, Route, Site, StaticFile, StaticFiles};

pub(super) use self::platform::HostPlatform;
use super::sites::etag;

/// A component that is compiled for the first time takes a while, and so does an upload.
const DEADLINE: Duration = Duration::from_secs(600);
/// Operators and their tools are few.
const MAX_CONNECTIONS: usize = 256;

/// A gateway that serves the API below `/v1`, `/metrics`, and the console.
pub(super) fn gateway(admin: &Arc<Admin>, drain: Duration) -> Result<Gateway> {
    let api = |matches: Match| {
        let handler = Arc::clone(admin) as Arc<dyn HttpHandler>;
        let mut route = Route::service("", handler);
        route.matches = matches;
        route.strip_prefix = false;
        route.max_body_bytes = MAX_BODY_BYTES;
        route.deadline = DEADLINE;
        route
    };
    let console = StaticFiles::new(CONSOLE.iter().map(|file| StaticFile {
        path: file.path,
        content_type: file.content_type,
        bytes: file.bytes,
        etag: etag(file.bytes),
    }));
    let policy = HeaderValue::from_str(POLICY).context("the console's policy")?;
    let routes = vec![
        api(Match::Below("/v1".to_owned())),
        api(Match::Exact("/metrics".to_owned())),
        Route::files("", Arc::new(console.with_policy(policy))),
    ];
    let config = pingtalk_gateway::Config {
        max_connections: MAX_CONNECTIONS,
        drain_timeout: drain,
        body_timeout: DEADLINE,
        // An upload and what is then done with it.
        stream_timeout: DEADLINE * 2,
        ..pingtalk_gateway::Config::default()
    };
    Ok(Gateway::new(config, Arc::new(OneSite(Arc::new(Site::new(routes))))))
}
