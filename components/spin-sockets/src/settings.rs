//! Bounds and times: our host's defaults, or the manifest's where it has a say.

use std::time::Duration;

use pingtalk_spin_platform::Served;

/// Longest message from a client, in bytes (Engine.IO `maxPayload`).
pub(crate) const MAX_PAYLOAD: usize = 1_000_000;
/// Attachments of one packet, either way.
pub(crate) const MAX_ATTACHMENTS: usize = 10;
/// Packets that may wait for one session's poll, and their bytes.
pub(crate) const MAX_QUEUED_PACKETS: i64 = 4_096;
pub(crate) const MAX_QUEUED_BYTES: i64 = 16 * 1024 * 1024;
/// Sessions in all, and sockets of one user.
pub(crate) const MAX_SESSIONS: i64 = 10_000;
pub(crate) const MAX_SOCKETS_PER_USER: i64 = 1_000;
/// Rooms a socket can be in, and a room's longest name in bytes.
pub(crate) const MAX_ROOMS: usize = 1_000;
pub(crate) const MAX_ROOM_BYTES: usize = 200;
/// Longest event name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 1_024;
/// Largest attachment of a session, and longest user id, in bytes.
pub(crate) const MAX_ATTACHMENT_BYTES: usize = 4 * 1024;
pub(crate) const MAX_USER_BYTES: usize = 256;
/// How long an event waits for its predecessor, in milliseconds, and how many of a room may.
pub(crate) const REORDER_WINDOW: i64 = 250;
pub(crate) const MAX_EARLY: i64 = 256;
/// How long a hold lasts at most, in milliseconds, and how many events it keeps back.
pub(crate) const HOLD: i64 = 10_000;
pub(crate) const MAX_HELD: i64 = 1_024;

/// What the manifest says of sockets.
pub(crate) struct Settings {
    /// The component that serves them.
    pub(crate) component: String,
    /// Engine.IO `pingInterval`, `pingTimeout` and the time to connect to a namespace, in
    /// milliseconds.
    pub(crate) ping_interval: i64,
    pub(crate) ping_timeout: i64,
    pub(crate) connect_timeout: i64,
    /// Origins whose pages may connect.
    pub(crate) origins: Vec<String>,
}

/// Reads them.
pub(crate) fn settings() -> Result<Settings, String> {
    let read = Served::with(|served| {
        let serving = served.manifest.components.iter().find(|(_, it)| it.host.sockets.serve);
        let (name, component) = serving?;
        let sockets = &component.host.sockets;
        Some(Settings {
            component: name.clone(),
            ping_interval: millis(sockets.ping_interval, 25_000),
            ping_timeout: millis(sockets.ping_timeout, 20_000),
            connect_timeout: millis(sockets.connect_timeout, 45_000),
            origins: served.manifest.application.host.cors_origins.clone(),
        })
    })?;
    read.ok_or_else(|| "no component serves sockets: write sockets = { serve = true }".to_owned())
}

/// The namespace that a client's spelling means.
pub(crate) fn namespace(spelling: &str) -> Option<String> {
    Served::with(|served| {
        let mut serving = served.manifest.components.values().filter(|it| it.host.sockets.serve);
        let namespaces = &serving.next()?.host.sockets.namespaces;
        let found = namespaces.iter().find(|(name, aliases)| {
            *name == spelling || aliases.iter().any(|alias| alias == spelling)
        });
        let known = found.map(|(name, _)| name.clone());
        known.or_else(|| (namespaces.is_empty() && spelling == "/").then(|| "/".to_owned()))
    })
    .ok()
    .flatten()
}

/// Whether the component may send to sockets.
pub(crate) fn may_emit() -> Result<bool, String> {
    Served::with(|served| served.component().is_some_and(|it| it.host.sockets.emit))
}

fn millis(duration: Option<Duration>, default: i64) -> i64 {
    duration.and_then(|it| i64::try_from(it.as_millis()).ok()).unwrap_or(default)
}
