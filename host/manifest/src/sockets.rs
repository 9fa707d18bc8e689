//! `sockets`: whether a component serves Socket.IO clients, where, and with which heartbeat.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    finding::Severity,
    reader::{Node, Table},
};

/// `sockets = { serve, emit, paths, namespaces, … }`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketSettings {
    /// It serves sockets: it must export `pingtalk:sockets/handler`.
    pub serve: bool,
    /// It may emit, manage rooms and disconnect.
    pub emit: bool,
    /// Where the Socket.IO endpoint stands. Without `paths`: `/socket.io`.
    pub paths: Vec<String>,
    /// The namespaces clients may connect to, each with other spellings that count as it. Without
    /// `namespaces`: `/` alone.
    pub namespaces: BTreeMap<String, Vec<String>>,
    /// Between two heartbeats; none: 25 s.
    pub ping_interval: Option<Duration>,
    /// How long a client may take to answer one; none: 20 s.
    pub ping_timeout: Option<Duration>,
    /// How long a connection may stay without a namespace; none: 45 s.
    pub connect_timeout: Option<Duration>,
}

const KEYS: [&str; 7] =
    ["serve", "emit", "paths", "namespaces", "ping_interval", "ping_timeout", "connect_timeout"];

/// Reads `sockets`.
pub(crate) fn read_sockets(node: &Node<'_>) -> SocketSettings {
    let Some(table) = node.table() else { return SocketSettings::default() };
    table.only(&KEYS, Severity::Error);
    let flag = |key: &str| table.get(key).is_some_and(|node| node.boolean());
    let serve = flag("serve");
    let mut settings = SocketSettings { serve, emit: flag("emit"), ..SocketSettings::default() };
    if !serve {
        for key in KEYS.iter().skip(2) {
            if let Some(node) = table.get(key) {
                node.error("has no effect", "write serve = true, or remove it");
            }
        }
        return settings;
    }
    settings.paths = read_paths(&table);
    settings.namespaces = read_namespaces(&table);
    let time = |key: &str| table.get(key)?.duration();
    settings.ping_interval = time("ping_interval");
    settings.ping_timeout = time("ping_timeout");
    settings.connect_timeout = time("connect_timeout");
    settings
}

fn read_paths(table: &Table<'_>) -> Vec<String> {
    let Some(node) = table.get("paths") else { return vec!["/socket.io".to_owned()] };
    let paths = node.names();
    for path in &paths {
        if !path.starts_with('/') || path.ends_with('/') || path.contains("..") {
            node.error(
                format!("`{path}` is not a path"),
                "write it with a leading and without a trailing slash",
            );
        }
    }
    paths
}

fn read_namespaces(table: &Table<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(namespaces) = table.get("namespaces").and_then(|node| node.table()) else {
        return BTreeMap::from([("/".to_owned(), Vec::new())]);
    };
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, node) in namespaces.entries() {
        let spellings = node.names();
        for spelling in spellings.iter().map(String::as_str).chain([name]) {
            let taken = read.iter().any(|(other, others)| {
                other == spelling || others.iter().any(|other| other == spelling)
            });
            if !spelling.starts_with('/') || spelling.contains([',', '?']) {
                node.error(
                    format!("`{spelling}` can't name a namespace"),
                    "write a name that starts with / and holds no comma or question mark",
                );
            } else if taken {
                node.error(format!("`{spelling}` names another namespace too"), "remove one");
            }
        }
        read.insert(name.to_owned(), spellings);
    }
    read
}
