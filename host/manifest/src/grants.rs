//! What a component may touch: collections, cache keys, topics, queues, containers.

use std::{fmt, time::Duration};

use crate::{collections::is_name, finding::Severity, reader::Node};

/// What may be done with a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Find and count.
    Read,
    /// Also commit.
    Write,
}

/// Access to one collection, or to all of a database: `"authDB.auths:read"`, `"chatDB.*:write"`.
/// Writing includes reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentGrant {
    /// Database.
    pub database: String,
    /// Collection; none: every declared one of the database.
    pub collection: Option<String>,
    /// How far it goes.
    pub access: Access,
}

impl fmt::Display for DocumentGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collection = self.collection.as_deref().unwrap_or("*");
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        write!(f, "{}.{collection}:{access}", self.database)
    }
}

impl DocumentGrant {
    fn parse(text: &str) -> Option<Self> {
        let (place, access) = text.split_once(':')?;
        let (database, collection) = place.split_once('.')?;
        let access = match access {
            "read" => Access::Read,
            "write" => Access::Write,
            _ => return None,
        };
        let collection = match collection {
            "*" => None,
            name if is_name(name) => Some(name.to_owned()),
            _ => return None,
        };
        is_name(database).then(|| Self { database: database.to_owned(), collection, access })
    }
}

/// A queue that a component consumes: events of these topics reach it, at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name, such as `profile.auth.user.created`. It lives as long as the tenant does.
    pub name: String,
    /// Exact topics.
    pub topics: Vec<String>,
    /// Deliveries before an event is a dead letter; none: the host's default, 16.
    pub attempts: Option<u32>,
    /// The pause before the second delivery, doubling each time; none: 200 ms.
    pub first_pause: Option<Duration>,
    /// The longest pause; none: 60 s.
    pub longest_pause: Option<Duration>,
}

/// Reads `documents = ["authDB.auths:read"]`.
pub(crate) fn read_documents(node: &Node<'_>) -> Vec<DocumentGrant> {
    let mut grants: Vec<DocumentGrant> = Vec::new();
    for node in node.list() {
        let Some(text) = node.text() else { continue };
        let Some(grant) = DocumentGrant::parse(text) else {
            node.error(
                format!("`{text}` is not a grant"),
                "write \"DATABASE.COLLECTION:read\" or \":write\", with * for all collections",
            );
            continue;
        };
        let same = |earlier: &DocumentGrant| {
            earlier.database == grant.database && earlier.collection == grant.collection
        };
        if grants.iter().any(same) {
            node.error(
                format!("`{}` was granted already", text.split(':').next().unwrap_or(text)),
                "keep one grant for it; write includes read",
            );
        } else {
            grants.push(grant);
        }
    }
    grants
}

/// Reads `cache = ["session:"]`. A prefix ends in a colon, so that `user:` can't cover `username:`.
pub(crate) fn read_cache(node: &Node<'_>) -> Vec<String> {
    let prefixes = node.names();
    for prefix in &prefixes {
        if !prefix.ends_with(':') || prefix.starts_with(':') {
            node.error(
                format!("`{prefix}` is not a prefix of cache keys"),
                format!("write \"{}:\"", prefix.trim_matches(':')),
            );
        }
    }
    prefixes
}

/// Reads an array of topics.
pub(crate) fn read_topics(node: &Node<'_>) -> Vec<String> {
    let topics = node.names();
    for topic in &topics {
        if !is_topic(topic) {
            node.error(
                format!("`{topic}` is not a topic"),
                "write words of letters, digits, _ and - joined by dots; no wildcards",
            );
        }
    }
    topics
}

/// Reads `consume = [{ queue = "…", topics = ["…"] }]`.
pub(crate) fn read_queues(node: &Node<'_>) -> Vec<Queue> {
    node.list().iter().filter_map(read_queue).collect()
}

fn read_queue(node: &Node<'_>) -> Option<Queue> {
    let table = node.table()?;
    table.only(&["queue", "topics", "attempts", "first_pause", "longest_pause"], Severity::Error);
    let queue = table.require("queue", "write the queue's name");
    let name = queue.as_ref().and_then(|node| node.name());
    if let (Some(queue), Some(name)) = (&queue, name)
        && !is_topic(name)
    {
        queue.error(
            format!("`{name}` can't name a queue"),
            "write words of letters, digits, _ and - joined by dots",
        );
    }
    let topics_node = table.require("topics", "write topics = [\"…\"]")?;
    let topics = read_topics(&topics_node);
    if topics.is_empty() {
        topics_node.error("names no topic", "write at least one");
    }
    let attempts = table
        .get("attempts")
        .and_then(|node| node.number(1..=1_000))
        .and_then(|number| u32::try_from(number).ok());
    let first_pause = table.get("first_pause").and_then(|node| node.duration());
    let longest = table.get("longest_pause");
    let longest_pause = longest.as_ref().and_then(|node| node.duration());
    if let (Some(node), Some(first), Some(last)) = (&longest, first_pause, longest_pause)
        && last < first
    {
        node.error("is shorter than first_pause", "write at least as much");
    }
    Some(Queue { name: name?.to_owned(), topics, attempts, first_pause, longest_pause })
}

/// Reads `blobs = ["pictures"]`.
pub(crate) fn read_containers(node: &Node<'_>) -> Vec<String> {
    let containers = node.names();
    for container in &containers {
        if !is_name(container) {
            node.error(
                format!("`{container}` can't name a container"),
                "use up to 60 letters, digits, _ and -",
            );
        }
    }
    containers
}

fn is_topic(topic: &str) -> bool {
    topic.len() <= 200 && topic.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::DocumentGrant;

    #[test]
    fn reads_document_grants() {
        for text in ["authDB.auths:read", "chatDB.*:write"] {
            assert_eq!(DocumentGrant::parse(text).map(|g| g.to_string()).as_deref(), Some(text));
        }
        for wrong in
            ["authDB", "authDB.auths", "authDB.auths:all", "*.auths:read", ".a:read", "a.b.c:read"]
        {
            assert_eq!(DocumentGrant::parse(wrong), None, "{wrong}");
        }
    }
}
