//! Where the servers are, and how patient the store is with them.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Settings of [`crate::MongoDocuments`].
#[derive(Clone)]
pub struct Config {
    /// The server (`mongodb://…` or `mongodb+srv://…`). Its path, if any, only names the database
    /// that credentials are checked against.
    pub uri: String,
    /// The default tenant's databases that lie elsewhere: from the manifest's name (`authDB`) to a
    /// URI whose path names the database there. One without a path keeps the manifest's name.
    pub database_uris: BTreeMap<String, String>,
    /// Most connections to each server; equal URIs share them. Default: 32.
    pub max_connections: u32,
    /// How long connecting may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long to wait for a server to be there before a call is refused as unavailable; a call
    /// with an earlier deadline waits no longer than that. Default: 5 s.
    pub selection_timeout: Duration,
    /// When background work looks for what others left behind.
    pub pace: Pace,
}

/// How long to watch something before taking it for abandoned. All of it is measured on the
/// watching host's own monotonic clock, so hosts need not agree on the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often to look. Default: 5 s.
    pub look: Duration,
    /// An unfinished commit unchanged for this long is finished by whoever sees it. Default: 10 s.
    pub abandoned: Duration,
    /// An undecided commit is forgotten, and the markers of a commit that changed hands are removed,
    /// only after this long. An attempt at a commit sends nothing after two thirds of it, so the last
    /// third is for what is still under way. Default: 90 s.
    pub settled: Duration,
    /// Events that wait unchanged for this long are taken over from their host. Default: 30 s.
    pub orphaned: Duration,
}

impl Pace {
    /// How long one attempt at a commit may go on sending.
    pub(crate) fn attempt(&self) -> Duration {
        self.settled.mul_f32(2.0 / 3.0)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(5),
            abandoned: Duration::from_secs(10),
            settled: Duration::from_secs(90),
            orphaned: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The defaults, for this server.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database_uris: BTreeMap::new(),
            max_connections: 32,
            connect_timeout: Duration::from_secs(5),
            selection_timeout: Duration::from_secs(5),
            pace: Pace::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URIs hold passwords.
        f.debug_struct("Config")
            .field("uri", &"…")
            .field("database_uris", &self.database_uris.keys().collect::<Vec<_>>())
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("selection_timeout", &self.selection_timeout)
            .field("pace", &self.pace)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_uris() {
        let mut config = Config::new("mongodb://user:secret@host/");
        config.database_uris.insert("authDB".to_owned(), "mongodb://u:hidden@h/a".to_owned());
        let shown = format!("{config:?}");
        assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
        assert!(shown.contains("authDB"));
    }
}
