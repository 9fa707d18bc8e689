//! Whether users are connected.
//!
//! A connection is never taken back, so a positive answer may be cached (under the original's
//! key); a negative one is not, because an invite may be accepted the next moment.

use std::time::Duration;

use pingtalk_sdk::{Platform, prelude::*};

use crate::{
    chat::ordered,
    connection::{ACCEPTED, CONNECTIONS, Connection},
};

/// How long a positive answer is cached; as the original did.
const ALLOWED_TTL: Duration = Duration::from_secs(3_600);

fn key(smaller: Id, larger: Id) -> String {
    format!("chat:allowed:{smaller}:{larger}")
}

/// True when these two are connected.
///
/// # Errors
/// Those of the store.
pub(crate) async fn connected(platform: &Platform, one: Id, other: Id) -> Result<bool> {
    let (smaller, larger) = ordered(one, other);
    let key = key(smaller, larger);
    if platform.cache().get::<bool>(&key).await == Some(true) {
        return Ok(true);
    }
    let connection = all([eq("user1", smaller), eq("user2", larger), eq("status", ACCEPTED)]);
    let connected = platform.documents().exists(&CONNECTIONS, connection).await?;
    if connected {
        platform.cache().set(&key, &true, ALLOWED_TTL).await;
    }
    Ok(connected)
}

/// True when `user` is connected to each of `others`, who are distinct and not the user.
///
/// # Errors
/// Those of the store.
pub(crate) async fn connected_to_all(platform: &Platform, user: Id, others: &[Id]) -> Result<bool> {
    let (smaller, larger): (Vec<Id>, Vec<Id>) =
        others.iter().copied().partition(|other| *other < user);
    let mut connected = 0;
    // Two queries, each along the index, rather than one that is along none.
    for (user_field, other_field, others) in
        [("user2", "user1", smaller), ("user1", "user2", larger)]
    {
        if others.is_empty() {
            continue;
        }
        let between =
            all([eq(user_field, user), one_of(other_field, others), eq("status", ACCEPTED)]);
        let found: Vec<Connection> = platform.documents().find(&CONNECTIONS, between).await?;
        connected += found.len();
    }
    Ok(connected == others.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    #[test]
    fn a_yes_is_cached_and_a_no_is_not() {
        let world = World::new();
        let platform = world.host.platform();
        let ask = |one, other| fake::block_on(connected(&platform, one, other)).unwrap();
        assert!(ask(world.ben.id, world.anna.id));
        let (smaller, larger) = ordered(world.anna.id, world.ben.id);
        assert_eq!(world.host.cached(&key(smaller, larger)), Some(json!(true)));
        assert!(!ask(world.zoe.id, world.anna.id));
        world.connect(world.anna.id, world.zoe.id);
        assert!(ask(world.zoe.id, world.anna.id));
    }

    #[test]
    fn connected_to_all_means_each_of_them() {
        let world = World::new();
        let platform = world.host.platform();
        let ask = |others: &[Id]| {
            fake::block_on(connected_to_all(&platform, world.ben.id, others)).unwrap()
        };
        assert!(ask(&[world.anna.id, world.cleo.id]));
        assert!(ask(&[world.anna.id]));
        assert!(!ask(&[world.anna.id, world.zoe.id]));
        assert!(!ask(&[world.host.new_id()]));
    }
}
