//! `[application]` and what this host reads in its `tool.pingtalk`.

use std::collections::BTreeMap;

use crate::{
    collections::{Collection, read_collections},
    finding::Severity,
    grants::read_containers,
    reader::{Node, Table},
};

/// The application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// Name.
    pub name: String,
    /// Version, for people.
    pub version: String,
    /// Description, for people.
    pub description: String,
    /// What this host reads.
    pub host: HostSettings,
}

/// A token bucket, in the meaning of nginx's `limit_req … nodelay`: `burst` more than the first
/// request at once, then `requests_per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second, for each client address.
    pub requests_per_second: u32,
    /// Requests beyond the first that may come at once.
    pub burst: u32,
}

/// `[application.tool.pingtalk]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Origins whose pages may use the application with credentials, compared exactly. The
    /// operator's configuration may replace the list.
    pub cors_origins: Vec<String>,
    /// Buckets that several components can count in, by name.
    pub rate_limits: BTreeMap<String, RateLimit>,
    /// The collections of all components.
    pub collections: Vec<Collection>,
    /// Containers whose blobs anyone may read under `/blobs/`.
    pub public_blobs: Vec<String>,
}

/// Reads `[application]`.
pub(crate) fn read_application(table: &Table<'_>) -> Application {
    table
        .only(&["name", "version", "description", "authors", "trigger", "tool"], Severity::Warning);
    let text = |key: &str| {
        table.get(key).and_then(|node| node.text()).map(str::to_owned).unwrap_or_default()
    };
    let name = table
        .require("name", "write the application's name")
        .and_then(|node| node.name())
        .map(str::to_owned)
        .unwrap_or_default();
    let host = table
        .get("tool")
        .and_then(|node| node.table())
        .and_then(|tools| tools.get("pingtalk"))
        .map(|node| read_host_settings(&node))
        .unwrap_or_default();
    Application { name, version: text("version"), description: text("description"), host }
}

fn read_host_settings(node: &Node<'_>) -> HostSettings {
    let Some(table) = node.table() else { return HostSettings::default() };
    table.only(&["cors_origins", "rate_limits", "collections", "public_blobs"], Severity::Error);
    HostSettings {
        cors_origins: table.get("cors_origins").map(|n| read_origins(&n)).unwrap_or_default(),
        rate_limits: table.get("rate_limits").map(|n| read_rate_limits(&n)).unwrap_or_default(),
        collections: table.get("collections").map(|n| read_collections(&n)).unwrap_or_default(),
        public_blobs: table.get("public_blobs").map(|n| read_containers(&n)).unwrap_or_default(),
    }
}

fn read_origins(node: &Node<'_>) -> Vec<String> {
    let origins = node.names();
    for origin in &origins {
        // As browsers send it (RFC 6454, section 6.2): scheme, host, port unless it is the default.
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let ok = host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.:[]".contains(&c))
        });
        if !ok {
            node.error(
                format!("`{origin}` is not an origin"),
                "write \"scheme://host\" or \"scheme://host:port\" as browsers send it, without a \
                 path, in lower case",
            );
        }
    }
    origins
}

fn read_rate_limits(node: &Node<'_>) -> BTreeMap<String, RateLimit> {
    let Some(table) = node.table() else { return BTreeMap::new() };
    let mut limits = BTreeMap::new();
    for (name, node) in table.entries() {
        let Some(table) = node.table() else { continue };
        table.only(&["requests_per_second", "burst"], Severity::Error);
        let number = |key: &str, least: u64, fix: &str| {
            let number = table.require(key, fix)?.number(least..=1_000_000)?;
            u32::try_from(number).ok()
        };
        let rate = number("requests_per_second", 1, "write how many requests a second");
        let burst = number("burst", 0, "write how many more may come at once");
        // A bucket with a mistake is still declared: its users have made none.
        limits.insert(
            name.to_owned(),
            RateLimit { requests_per_second: rate.unwrap_or(1), burst: burst.unwrap_or(0) },
        );
    }
    limits
}
