//! Profiles through the cache: `profile:{userId}`, ten minutes, as the original kept them.
//!
//! A reader fills the cache only where nothing is; a writer overwrites. So a reader that was
//! overtaken by a change can't put the old profile back.

use std::time::Duration;

use pingtalk_sdk::{
    Platform, Result,
    documents::{DocumentError, Id},
};

use crate::profile::{Profile, stored};

const TTL: Duration = Duration::from_secs(600);
/// How often a writer looks whether another one has overtaken it.
const PUBLISH_ROUNDS: usize = 4;

/// Where a profile came from, in the contract's words.
pub(crate) const FROM_CACHE: &str = "cache";
/// See [`FROM_CACHE`].
pub(crate) const FROM_DATABASE: &str = "database";

fn key(user: Id) -> String {
    format!("profile:{user}")
}

/// A user's profile and where it came from.
///
/// # Errors
/// Those of the store; the cache's are misses.
pub(crate) async fn read(
    platform: &Platform,
    user: Id,
) -> Result<Option<(Profile, &'static str)>, DocumentError> {
    let key = key(user);
    if let Some(profile) = platform.cache().get::<Profile>(&key).await {
        return Ok(Some((profile, FROM_CACHE)));
    }
    let Some(profile) = stored(platform, user).await? else { return Ok(None) };
    platform.cache().set_if_absent(&key, &profile, TTL).await;
    Ok(Some((profile, FROM_DATABASE)))
}

/// Puts a changed profile into the cache.
///
/// Two writers may come here in the other order than they committed. So each looks again after
/// writing: the last to write the cache has then seen every change before. What can't be settled
/// is forgotten instead.
pub(crate) async fn publish(platform: &Platform, changed: &Profile) {
    let key = key(changed.user_id);
    let mut written = changed.clone();
    for _ in 0..PUBLISH_ROUNDS {
        platform.cache().set(&key, &written, TTL).await;
        match stored(platform, changed.user_id).await {
            Ok(Some(latest)) if latest == written => return,
            Ok(Some(latest)) => written = latest,
            Ok(None) | Err(_) => break,
        }
    }
    platform.cache().invalidate([key]).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures::{ANN, fresh, only, set, with_ann};
    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, Host, block_on},
        serde_json::Value,
    };

    fn cached_name(host: &Host) -> Option<Value> {
        host.cached(&key(ANN)).and_then(|profile| profile.get("firstName").cloned())
    }

    #[test]
    fn a_late_reader_does_not_undo_a_change() {
        let (host, _) = with_ann();
        let platform = host.platform();
        // It read the old profile; then a change went through; then it fills the cache.
        let old = only(&host);
        set(&host, "firstName", "Anna");
        block_on(publish(&platform, &only(&host)));
        assert!(!block_on(platform.cache().set_if_absent(&key(ANN), &old, TTL)));
        assert_eq!(cached_name(&host).unwrap(), "Anna");
    }

    #[test]
    fn a_late_writer_does_not_undo_a_change() {
        let (host, _) = with_ann();
        // Two changes were committed, the second published first.
        let first = only(&host);
        set(&host, "firstName", "Anna");
        block_on(publish(&host.platform(), &only(&host)));
        block_on(publish(&host.platform(), &first));
        assert_eq!(cached_name(&host).unwrap(), "Anna");
    }

    #[test]
    fn what_can_t_be_settled_is_forgotten() {
        let (host, _) = with_ann();
        host.fail_next(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        block_on(publish(&host.platform(), &only(&host)));
        assert_eq!(cached_name(&host), None);
        let gone = Profile { user_id: Id::from_bytes([1; 12]), ..fresh() };
        block_on(publish(&host.platform(), &gone));
        assert_eq!(host.cached(&key(gone.user_id)), None);
    }
}
