//! Two hosts, one Redis, one limit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::Arc, time::Duration};

use pingtalk_capabilities::{
    TenantId,
    limits::{LimitError, LimitRule, MAX_NAME_BYTES, SharedLimits},
};
use pingtalk_contract::redis_server::Server;
use pingtalk_limits_redis::RedisLimits;
use pingtalk_redis_connection::{Config, Redis};

/// The contract's burst, refilled so slowly that nothing trickles in meanwhile.
const RULE: LimitRule = LimitRule { per_second: 1, burst: 20 };

fn redis() -> Redis {
    let mut config = Config::new(&pingtalk_contract::servers::redis()).unwrap();
    // This is about counting; a test machine may be busy.
    config.command_timeout = Duration::from_secs(5);
    Redis::new(config)
}

fn host(tenant: &TenantId) -> Arc<dyn SharedLimits> {
    RedisLimits::new(redis()).open(tenant)
}

async fn passes(host: &Arc<dyn SharedLimits>, bucket: &str, client: &str) -> bool {
    host.take(bucket, client, RULE).await.unwrap().is_ok()
}

#[tokio::test]
async fn of_forty_over_two_hosts_twenty_one_pass() {
    let tenant = pingtalk_contract::tenant();
    let hosts = [host(&tenant), host(&tenant)];
    let mut tasks = Vec::new();
    for at in 0..40 {
        let host = Arc::clone(&hosts[at % 2]);
        tasks.push(tokio::spawn(async move { passes(&host, "services", "10.0.0.1").await }));
    }
    let mut passed = 0;
    for task in tasks {
        passed += u32::from(task.await.unwrap());
    }
    assert!((21..=22).contains(&passed), "{passed}: one more if this took a second");
}

#[tokio::test]
async fn buckets_clients_and_tenants_are_apart() {
    let tenant = pingtalk_contract::tenant();
    let one = host(&tenant);
    let rule = LimitRule { per_second: 1, burst: 0 };
    let takes = async |host: &Arc<dyn SharedLimits>, bucket, client| {
        host.take(bucket, client, rule).await.unwrap().is_ok()
    };
    assert!(takes(&one, "a", "b:c").await);
    assert!(!takes(&one, "a", "b:c").await);
    assert!(takes(&one, "a:b", "c").await);
    assert!(takes(&one, "a", "other").await);
    assert!(takes(&host(&pingtalk_contract::tenant()), "a", "b:c").await);
}

#[tokio::test]
async fn a_refusal_says_how_long_and_does_not_count() {
    let host = host(&pingtalk_contract::tenant());
    let rule = LimitRule { per_second: 5, burst: 1 };
    let take = async || host.take("b", "c", rule).await.unwrap();
    while take().await.is_ok() {}
    let mut wait = Duration::ZERO;
    for _ in 0..3 {
        wait = take().await.unwrap_err();
        assert!(wait <= Duration::from_millis(200), "{wait:?}");
    }
    tokio::time::sleep(wait).await;
    assert_eq!(take().await, Ok(()));
}

#[tokio::test]
async fn a_bucket_ends_by_itself_and_a_clock_set_back_does_not_lock_out() {
    let tenant = pingtalk_contract::tenant();
    let host = host(&tenant);
    let redis = redis();
    assert!(passes(&host, "b", "c").await);
    let key = format!("pingtalk:limit:{tenant}:1:b:c");
    let life: i64 = redis.query(redis::cmd("PTTL").arg(&key)).await.unwrap();
    assert!((1..=1_000).contains(&life), "{life}");
    // As a server whose clock was a year ahead would have left it.
    let ahead = "9999999999999999";
    let () = redis.query(redis::cmd("SET").arg(&key).arg(ahead)).await.unwrap();
    let wait = host.take("b", "c", RULE).await.unwrap().unwrap_err();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
}

#[tokio::test]
async fn what_can_t_be_counted_is_said() {
    let mut server = Server::start(&[]);
    let redis = Redis::new(Config::from_parts("127.0.0.1", Some(server.port()), None));
    let host = RedisLimits::new(redis.clone()).open(&TenantId::default_tenant());
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    assert!(matches!(host.take(&long, "c", RULE).await, Err(LimitError::Invalid(_))));
    assert!(passes(&host, "b", "c").await);
    server.kill();
    assert!(matches!(host.take("b", "c", RULE).await, Err(LimitError::Unavailable(_))));
    // A Redis that comes back without its data starts its buckets, and learns the script, anew.
    server.restart();
    redis.reconnected().wait_for(|number| *number > 1).await.unwrap();
    assert!(passes(&host, "b", "c").await);
}
