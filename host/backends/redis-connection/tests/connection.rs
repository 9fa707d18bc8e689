//! The connection against a server of the test's own, which comes, goes, falls silent and forgets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use pingtalk_contract::redis_server::{PATIENCE, Server};
use pingtalk_redis_connection::{Away, Config, Redis};
use tokio::time::timeout;

async fn ping(redis: &Redis) -> Result<String, Away> {
    redis.query(&redis::cmd("PING")).await
}

fn config(server: &Server) -> Config {
    let mut config = Config::from_parts("127.0.0.1", Some(server.port()), None);
    config.pauses = (Duration::from_millis(10), Duration::from_millis(50));
    config
}

/// Waits for the connection with this number or a later one.
async fn connection(redis: &Redis, number: u64) {
    let mut reconnected = redis.reconnected();
    let reached = reconnected.wait_for(|reached| *reached >= number);
    timeout(PATIENCE, reached).await.expect("it connects").unwrap();
}

#[tokio::test]
async fn a_command_waits_for_the_first_connection() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    // At once, before anything is known: it waits rather than fails.
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
    assert!(redis.is_connected());
}

#[tokio::test]
async fn without_a_server_commands_fail_at_once_until_it_comes() {
    let mut server = Server::start(&[]);
    server.kill();
    let redis = Redis::new(config(&server));
    assert_eq!(ping(&redis).await, Err(Away::Disconnected));
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(ping(&redis).await, Err(Away::Disconnected));
    }
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(!redis.is_connected());
    server.restart();
    connection(&redis, 1).await;
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
}

#[tokio::test]
async fn a_killed_server_is_noticed_without_a_command_and_found_again() {
    let mut server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    connection(&redis, 1).await;
    server.kill();
    let noticed = async {
        while redis.is_connected() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("the end is noticed");
    assert_eq!(*redis.replaced().borrow(), 0);
    server.restart();
    connection(&redis, 2).await;
    assert_eq!(*redis.replaced().borrow(), 1, "another process has taken over");
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
}

#[tokio::test]
async fn a_silent_server_costs_one_time_out() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    connection(&redis, 1).await;
    server.stop();
    let began = Instant::now();
    // Either this command or the probe finds out first.
    let away = ping(&redis).await.unwrap_err();
    assert!(matches!(away, Away::TimedOut | Away::Interrupted), "{away:?}");
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    timeout(PATIENCE, async {
        while redis.is_connected() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is given up");
    let began = Instant::now();
    assert_eq!(ping(&redis).await, Err(Away::Disconnected));
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    server.resume();
    connection(&redis, 2).await;
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
    assert_eq!(*redis.replaced().borrow(), 0, "it is the same server as before");
}

#[tokio::test]
async fn what_the_old_connection_sent_never_follows_what_the_new_one_does() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    connection(&redis, 1).await;
    // A server reads each connection a little at a time, in turns, so that the end of this may be
    // carried out after the new connection's first commands.
    let mut late = redis::pipe();
    for _ in 0..10_000 {
        late.cmd("SET").arg("filling").arg("x").ignore();
    }
    late.cmd("SET").arg("k").arg("old").ignore();
    for round in 2..7 {
        server.stop();
        assert!(redis.pipeline::<()>(&late).await.is_err());
        server.resume();
        connection(&redis, round).await;
        let () = redis.query(redis::cmd("SET").arg("k").arg("new")).await.unwrap();
        for _ in 0..500 {
            let found: String = redis.query(redis::cmd("GET").arg("k")).await.unwrap();
            assert_eq!(found, "new", "round {round}");
        }
    }
    // The race is won most of the time even so; this is what decides it.
    let told: String = redis.query(redis::cmd("INFO").arg("commandstats")).await.unwrap();
    assert!(told.contains("cmdstat_client|kill:"), "the old connections were dropped: {told}");
}

#[tokio::test]
async fn many_commands_share_the_connection() {
    let server = Server::start(&[]);
    let mut config = config(&server);
    config.max_in_flight = 8;
    config.command_timeout = Duration::from_secs(5);
    let redis = Redis::new(config);
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let redis = redis.clone();
            tokio::spawn(
                async move { redis.query::<i64>(redis::cmd("INCR").arg("n")).await.unwrap() },
            )
        })
        .collect();
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=500).collect::<Vec<_>>());
}

#[tokio::test]
async fn scripts_survive_a_server_that_forgot_them() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    let script = redis::Script::new("return ARGV[1] .. KEYS[1]");
    for _ in 0..2 {
        let answer: String = redis.script(script.key("k").arg("a")).await.unwrap();
        assert_eq!(answer, "ak");
        let () = redis.query(redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    }
}

#[tokio::test]
async fn errors_are_told_apart() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    let () = redis.query(redis::cmd("SET").arg("k").arg("word")).await.unwrap();
    let refused = redis.query::<i64>(redis::cmd("INCR").arg("k")).await.unwrap_err();
    assert!(matches!(&refused, Away::Refused { code, .. } if code == "ERR"), "{refused:?}");
    let refused = redis.query::<i64>(redis::cmd("LPUSH").arg("k").arg(1)).await.unwrap_err();
    assert!(matches!(&refused, Away::Refused { code, .. } if code == "WRONGTYPE"), "{refused:?}");
    assert!(!refused.is_ambiguous());
    let other = redis.query::<i64>(redis::cmd("GET").arg("k")).await.unwrap_err();
    assert_eq!(other, Away::Unexpected);
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()), "none of them costs the connection");
    assert_eq!(*redis.reconnected().borrow(), 1);
}

#[tokio::test]
async fn the_password_counts() {
    let server = Server::start(&["--requirepass", "secret"]);
    let with = |password| {
        let mut with = Config::from_parts("127.0.0.1", Some(server.port()), password);
        with.pauses = config(&server).pauses;
        Redis::new(with)
    };
    assert_eq!(ping(&with(Some("secret"))).await, Ok("PONG".to_owned()));
    for wrong in [None, Some("wrong")] {
        assert_eq!(ping(&with(wrong)).await, Err(Away::Disconnected));
        let away = with(wrong).dedicated().await;
        // Without a password the log-in itself asks nothing.
        assert_eq!(away.is_err(), wrong.is_some());
    }
}

#[tokio::test]
async fn a_blocking_command_waits_on_a_connection_of_its_own() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    let mut dedicated = redis.dedicated().await.unwrap();
    let waiting = tokio::spawn(async move {
        let mut command = redis::cmd("BLPOP");
        command.arg("list").arg(0);
        command.query_async::<(String, String)>(&mut *dedicated).await.unwrap()
    });
    for _ in 0..10 {
        assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
    }
    let () = redis.query(redis::cmd("LPUSH").arg("list").arg("it")).await.unwrap();
    let popped = timeout(PATIENCE, waiting).await.expect("it wakes").unwrap();
    assert_eq!(popped, ("list".to_owned(), "it".to_owned()));
}

#[tokio::test]
async fn the_thread_ends_with_its_last_user() {
    let server = Server::start(&[]);
    let redis = Redis::new(config(&server));
    let observer = Redis::new(config(&server));
    assert_eq!(ping(&redis).await, Ok("PONG".to_owned()));
    let clients = async || -> usize {
        let list: String = observer.query(redis::cmd("CLIENT").arg("LIST")).await.unwrap();
        list.lines().count()
    };
    assert_eq!(clients().await, 2);
    drop(redis);
    let gone = async {
        while clients().await > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the connection closes");
}
