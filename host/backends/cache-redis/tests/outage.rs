//! A cache that is away, and what it must not say when it is back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_cache_redis::{Config, RedisCache};
use pingtalk_capabilities::{
    TenantId,
    cache::{Cache, CacheError},
};
use pingtalk_contract::redis_server::{PATIENCE, Server};
use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};
use pingtalk_redis_connection::Redis;
use tokio::time::timeout;

const MINUTE: Duration = Duration::from_secs(60);

/// A server and two hosts: `near` reaches it directly, `far` through what fails.
struct World {
    server: Server,
    proxy: FaultProxy,
    redis: Redis,
    far: Arc<dyn Cache>,
    near: Arc<dyn Cache>,
}

fn connect(port: u16) -> Redis {
    let mut config = pingtalk_redis_connection::Config::from_parts("127.0.0.1", Some(port), None);
    config.pauses = (Duration::from_millis(10), Duration::from_millis(50));
    Redis::new(config)
}

async fn world_with(config: Config, arguments: &[&str]) -> World {
    let server = Server::start(arguments);
    let proxy = FaultProxy::start(format!("127.0.0.1:{}", server.port())).await.unwrap();
    let tenant = TenantId::default_tenant();
    let redis = connect(proxy.address().port());
    let far = RedisCache::new(redis.clone(), config).open(&tenant).await.unwrap();
    let near = RedisCache::new(connect(server.port()), Config::default());
    let near = near.open(&tenant).await.unwrap();
    World { server, proxy, redis, far, near }
}

async fn world() -> World {
    world_with(Config::default(), &[]).await
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn is_away<T>(result: &Result<T, CacheError>) -> bool {
    matches!(result, Err(CacheError::Unavailable(_)))
}

impl World {
    /// Both see it, in Redis.
    async fn holds(&self, key: &str, value: &'static str) {
        // A deletion that was owed from before may still come: it is made twice when its first
        // answer was lost.
        timeout(PATIENCE, async {
            loop {
                self.near.set(key, bytes(value), MINUTE, false).await.unwrap();
                if self.far.get(key).await == Ok(Some(bytes(value))) {
                    return;
                }
            }
        })
        .await
        .expect("both see it");
    }

    /// Mends, and waits until the key is gone for everybody; the one who changed it must not see the
    /// old value at any moment.
    async fn forgets(&self, key: &str, old: &'static str) {
        self.proxy.mend();
        timeout(PATIENCE, async {
            loop {
                // It may still be connecting, which is no value either.
                let seen = self.far.get(key).await;
                assert_ne!(seen, Ok(Some(bytes(old))), "an old value is back");
                if seen == Ok(None) && self.near.get(key).await == Ok(None) {
                    return;
                }
            }
        })
        .await
        .expect("what was owed is deleted");
    }
}

#[tokio::test]
async fn a_change_that_did_not_arrive_is_made_up_for() {
    let world = world().await;
    for key in ["set", "deleted", "deleted-too"] {
        world.holds(key, "old").await;
    }
    world.holds("other", "still").await;
    world.proxy.take_away();
    assert!(is_away(&world.far.set("set", bytes("new"), MINUTE, false).await));
    let deleted = world.far.delete(&["deleted".to_owned(), "deleted-too".to_owned()]).await;
    assert!(is_away(&deleted));
    for key in ["set", "deleted", "deleted-too"] {
        assert_eq!(world.near.get(key).await, Ok(Some(bytes("old"))), "Redis was not reached");
    }
    for key in ["set", "deleted", "deleted-too"] {
        world.forgets(key, "old").await;
    }
    assert_eq!(world.far.get("other").await, Ok(Some(bytes("still"))), "no more than was owed");
}

#[tokio::test]
async fn a_reader_from_before_the_change_does_not_fill_in_what_it_read() {
    let world = world().await;
    world.holds("k", "old").await;
    world.proxy.take_away();
    assert!(is_away(&world.far.set("k", bytes("new"), MINUTE, false).await));
    world.forgets("k", "old").await;
    assert_eq!(world.far.set("k", bytes("old"), MINUTE, true).await, Ok(false));
    assert_eq!(world.near.get("k").await, Ok(None));
    // A writer may.
    assert_eq!(world.far.set("k", bytes("newer"), MINUTE, false).await, Ok(true));
    assert_eq!(world.far.get("k").await, Ok(Some(bytes("newer"))));
}

#[tokio::test]
async fn an_answer_that_was_lost_counts_as_a_change_that_was() {
    let world = world().await;
    world.holds("k", "old").await;
    let trap = world.proxy.trap("made-but-not-confirmed", Cut::BeforeReply);
    let value = bytes("made-but-not-confirmed");
    assert!(is_away(&world.far.set("k", value, MINUTE, false).await));
    timeout(PATIENCE, trap.sprung()).await.expect("the trap springs");
    world.forgets("k", "made-but-not-confirmed").await;
}

#[tokio::test]
async fn a_late_command_does_not_follow_the_deletion() {
    let world = world().await;
    for round in 0..5 {
        world.holds("k", "old").await;
        world.proxy.set(Fault::HoldAll);
        let began = Instant::now();
        assert!(is_away(&world.far.set("k", bytes("late"), MINUTE, false).await), "{round}");
        assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
        // What the proxy held may now arrive at any time, or never.
        world.forgets("k", "old").await;
        for _ in 0..20 {
            assert_eq!(world.near.get("k").await, Ok(None), "round {round}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_gave_up_is_owed_as_well() {
    let world = world().await;
    world.holds("k", "old").await;
    world.proxy.set(Fault::HoldAll);
    let given_up = world.far.set("k", bytes("new"), MINUTE, false);
    assert!(timeout(Duration::from_millis(20), given_up).await.is_err());
    world.forgets("k", "old").await;
}

#[tokio::test]
async fn a_full_redis_does_not_keep_the_old_value() {
    let arguments = ["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"];
    let world = world_with(Config::default(), &arguments).await;
    world.holds("k", "old").await;
    let filling = Bytes::from(vec![7; 64 * 1024]);
    let mut at = 0;
    while world.near.set(&format!("fill:{at}"), filling.clone(), MINUTE, false).await.is_ok() {
        at += 1;
        assert!(at < 1_000, "it fills up");
    }
    assert!(is_away(&world.far.set("k", filling, MINUTE, false).await));
    world.forgets("k", "old").await;
}

#[tokio::test]
async fn more_than_can_be_remembered_hides_everything() {
    let world = world_with(Config { max_owed: 2, ..Config::default() }, &[]).await;
    for key in ["a", "b", "c"] {
        world.holds(key, "old").await;
    }
    world.proxy.take_away();
    for key in ["a", "b", "c"] {
        assert!(is_away(&world.far.set(key, bytes("new"), MINUTE, false).await));
    }
    world.forgets("a", "old").await;
    // Not remembered, not deleted, and yet not shown.
    assert_eq!(world.near.get("c").await, Ok(Some(bytes("old"))));
    assert_eq!(world.far.get("c").await, Ok(None));
}

#[tokio::test]
async fn counters_go_on_alone_and_add_up_afterwards() {
    let world = world().await;
    let count = async |cache: &Arc<dyn Cache>| {
        cache.increment("login:10.0.0.1", 1, MINUTE).await.unwrap().value
    };
    for expected in 1..=14 {
        assert_eq!(count(&world.far).await, expected);
    }
    world.proxy.take_away();
    assert_eq!(count(&world.far).await, 15);
    assert_eq!(count(&world.far).await, 16);
    let alone = world.far.increment("login:10.0.0.1", 1, MINUTE).await.unwrap();
    assert_eq!(alone.value, 17);
    assert!(alone.expires_in <= MINUTE);
    let unknown = world.far.increment("login:10.0.0.2", 1, MINUTE).await.unwrap();
    assert_eq!(unknown.value, 1);
    world.proxy.mend();
    world.redis.reconnected().wait_for(|number| *number > 1).await.unwrap();
    let back = count(&world.far).await;
    assert_eq!(back, 18);
    assert_eq!(count(&world.near).await, back + 1, "the others see it");
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_used_again() {
    let mut world = world().await;
    world.holds("k", "v").await;
    world.server.kill();
    assert!(is_away(&world.far.set("k", bytes("new"), MINUTE, false).await));
    let began = Instant::now();
    for _ in 0..100 {
        assert!(!matches!(world.far.get("k").await, Ok(Some(_))));
        assert!(is_away(&world.far.get("other").await));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "each of these is quick");
    world.server.restart();
    world.redis.reconnected().wait_for(|number| *number > 1).await.unwrap();
    assert_eq!(world.far.set("k", bytes("newer"), MINUTE, false).await, Ok(true));
    assert_eq!(world.far.get("other").await, Ok(None));
}

#[tokio::test]
async fn a_server_that_comes_back_with_older_data_is_not_believed() {
    let mut world = world().await;
    let raw = connect(world.server.port());
    for key in ["changed", "deleted", "untouched"] {
        world.far.set(key, bytes("old"), MINUTE, false).await.unwrap();
    }
    let () = raw.query(&redis::cmd("SAVE")).await.unwrap();
    // The snapshot has all three; what follows is confirmed, and lost with the crash.
    world.far.set("changed", bytes("new"), MINUTE, false).await.unwrap();
    world.far.delete(&["deleted".to_owned()]).await.unwrap();
    world.server.kill();
    world.server.restart();
    for key in ["changed", "deleted"] {
        world.forgets(key, "old").await;
    }
    // This connection has to find the server again by itself.
    let deadline = Instant::now() + PATIENCE;
    while raw.query::<()>(redis::cmd("SET").arg("proof").arg("it runs")).await.is_err() {
        assert!(Instant::now() < deadline, "the server that came back takes no writes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_default_tenant_shares_keys_and_values_with_the_original() {
    let world = world().await;
    let raw = connect(world.server.port());
    let profile = r#"{"userId":"1","firstName":"Ann"}"#;
    world.far.set("profile:1", bytes(profile), Duration::from_secs(600), false).await.unwrap();
    let found: String = raw.query(redis::cmd("GET").arg("profile:1")).await.unwrap();
    assert_eq!(found, profile);
    let left: i64 = raw.query(redis::cmd("TTL").arg("profile:1")).await.unwrap();
    assert!((598..=600).contains(&left), "{left}");
    let mut theirs = redis::cmd("SET");
    theirs.arg("chat:allowed:1:2").arg("true").arg("EX").arg(3_600);
    let () = raw.query(&theirs).await.unwrap();
    assert_eq!(world.far.get("chat:allowed:1:2").await, Ok(Some(bytes("true"))));
    let acme = RedisCache::new(raw.clone(), Config::default());
    let acme = acme.open(&TenantId::new("acme").unwrap()).await.unwrap();
    assert_eq!(acme.get("profile:1").await, Ok(None));
    acme.set("profile:1", bytes("acme's"), MINUTE, false).await.unwrap();
    assert_eq!(world.far.get("profile:1").await, Ok(Some(bytes(profile))));
    let spelt = world.far.get("pingtalk:cache:acme:profile:1").await;
    assert!(matches!(spelt, Err(CacheError::Invalid(_))));
}
