//! The two lists of a user's requests, and their cache.
//!
//! A list is cached under the key the original used, and every change must end it. Deleting it
//! is not enough: a reader that read the documents just before a change may store the old list
//! just after. So each list has a version beside it (`KEY:version`), a random text that every
//! change replaces. A cached list carries the version that its reader saw before reading the
//! documents, and counts only while that is still the version. The version outlives any list
//! made under it, so it can't come back. Should the cache refuse the change, or the instance die
//! between the commit and this, an old list lives until it expires.

use std::time::Duration;

use pingtalk_sdk::{Platform, documents::Direction, prelude::*};

use crate::request::{REQUESTS, Request};

/// Most requests in a list: the newest ones.
const MAX_LISTED: u32 = 1_000;
/// How long a list is cached; as the original did.
const LIST_TTL: Duration = Duration::from_secs(600);
/// Longer than a list's life plus the time a reader may take.
const VERSION_TTL: Duration = Duration::from_secs(3_600);
/// Random bytes in a version.
const VERSION_BYTES: usize = 8;

/// Whose side of a request a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sent,
    Received,
}

impl Side {
    const fn field(self) -> &'static str {
        match self {
            Self::Sent => "fromUserId",
            Self::Received => "toUserId",
        }
    }

    fn key(self, user: Id) -> String {
        match self {
            Self::Sent => format!("sentRequests:{user}"),
            Self::Received => format!("receivedRequests:{user}"),
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Sent => "Sent requests retrieved successfully",
            Self::Received => "Received requests retrieved successfully",
        }
    }
}

/// A cached list: what the original cached, and the version.
#[derive(Serialize, Deserialize)]
struct Cached {
    message: String,
    data: Vec<Request>,
    count: usize,
    /// Absent in a list that the original cached.
    #[serde(default)]
    version: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    message: &'static str,
    data: &'a [Request],
    count: usize,
    source: &'static str,
}

fn answer(side: Side, data: &[Request], source: &'static str) -> Response {
    Response::ok(&Answer { message: side.message(), data, count: data.len(), source })
}

/// The caller's list.
///
/// # Errors
/// The session's, and those of the store.
pub(crate) async fn list(cx: &Context, side: Side) -> Result<Response> {
    let user = cx.session().await?.user;
    let key = side.key(user);
    let version = cx.cache().get::<String>(&version_key(&key)).await.unwrap_or_default();
    if let Some(cached) = cx.cache().get::<Cached>(&key).await
        && cached.version == version
    {
        return Ok(answer(side, &cached.data, "cache"));
    }
    let newest_first =
        eq(side.field(), user).sort("createdAt", Direction::Descending).limit(MAX_LISTED);
    let data = cx.documents().find(&REQUESTS, newest_first).await?;
    let response = answer(side, &data, "database");
    let cached = Cached { message: side.message().to_owned(), count: data.len(), data, version };
    cx.cache().set(&key, &cached, LIST_TTL).await;
    Ok(response)
}

/// A request from one user to another has changed: ends both users' lists that show it.
pub(crate) async fn changed(platform: &Platform, from: Id, to: Id) {
    let lists = [Side::Sent.key(from), Side::Received.key(to)];
    for key in &lists {
        let version = platform.random_hex(VERSION_BYTES);
        platform.cache().set(&version_key(key), &version, VERSION_TTL).await;
    }
    platform.cache().invalidate(lists).await;
}

fn version_key(list: &str) -> String {
    format!("{list}:version")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    #[test]
    fn lists_are_newest_first_with_their_messages() {
        let world = World::new();
        let cleo = world.person("cleo@example.com");
        let first = world.invited(&world.anna, &world.ben);
        world.host.advance(Duration::from_millis(1));
        let second = world.invited(&world.anna, &cleo);
        let answer = world.ask(&world.anna, fake::get("/invites/sent"));
        let body = answer.json();
        assert_eq!(body["message"], "Sent requests retrieved successfully");
        assert_eq!(body["count"], 2);
        assert_eq!(body["data"][0]["_id"], json!(second));
        assert_eq!(body["data"][1]["_id"], json!(first));
        let answer = world.ask(&world.ben, fake::get("/invites/received"));
        assert_eq!(answer.json()["message"], "Received requests retrieved successfully");
        assert_eq!(answer.json()["data"][0]["_id"], json!(first));
    }

    #[test]
    fn received_keeps_answered_ones() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.respond(&world.ben, &id, "rejected");
        let (data, _) = world.list(&world.ben, "received");
        assert_eq!(data[0]["status"], "rejected");
    }

    #[test]
    fn a_cached_list_is_the_same_and_says_so() {
        let world = World::new();
        world.invited(&world.anna, &world.ben);
        let (fresh, source) = world.list(&world.anna, "sent");
        assert_eq!(source, "database");
        let (cached, source) = world.list(&world.anna, "sent");
        assert_eq!(source, "cache");
        assert_eq!(fresh, cached);
        let key = format!("sentRequests:{}", world.anna.id);
        let stored = world.host.cached(&key).unwrap();
        assert_eq!(stored["message"], "Sent requests retrieved successfully");
        assert_eq!(stored["data"], json!(fresh));
        assert_eq!(stored["count"], 1);
        world.host.advance(LIST_TTL);
        assert_eq!(world.list(&world.anna, "sent").1, "database");
    }

    #[test]
    fn every_change_ends_both_lists() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        let both = || {
            let (sent, one) = world.list(&world.anna, "sent");
            let (received, other) = world.list(&world.ben, "received");
            assert_eq!((one.as_str(), other.as_str()), ("database", "database"));
            assert_eq!(sent, received);
            sent
        };
        both();
        world.respond(&world.ben, &id, "rejected");
        assert_eq!(both()[0]["status"], "rejected");
        world.invited(&world.anna, &world.ben);
        assert_eq!(both()[0]["status"], "pending");
        world.ask(&world.anna, fake::delete(&format!("/cancel/{id}")));
        assert!(both().is_empty());
    }

    #[test]
    fn a_reader_that_raced_a_change_does_not_restore_the_old_list() {
        let world = World::new();
        let id = world.invited(&world.anna, &world.ben);
        world.list(&world.ben, "received");
        let key = Side::Received.key(world.ben.id);
        let old = world.host.cached(&key).unwrap();
        world.respond(&world.ben, &id, "accepted");
        assert_eq!(world.host.cached(&key), None);
        // The slow reader stores what it read before.
        let platform = world.host.platform();
        fake::block_on(platform.cache().set(&key, &old, LIST_TTL));
        let (data, source) = world.list(&world.ben, "received");
        assert_eq!(source, "database");
        assert_eq!(data[0]["status"], "accepted");
    }

    #[test]
    fn a_list_that_the_original_cached_counts_until_the_next_change() {
        let world = World::new();
        let original = json!({"message": "…", "data": [], "count": 0});
        let platform = world.host.platform();
        let key = Side::Sent.key(world.anna.id);
        fake::block_on(platform.cache().set(&key, &original, LIST_TTL));
        assert_eq!(world.list(&world.anna, "sent"), (vec![], "cache".to_owned()));
        world.invited(&world.anna, &world.ben);
        assert_eq!(world.list(&world.anna, "sent").0.len(), 1);
    }
}
