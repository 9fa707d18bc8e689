//! What `pingtalk doctor` finds out about a Redis.

use std::time::{Duration, Instant};

use pingtalk_capabilities::checkup::Finding;
use pingtalk_redis_connection::{Away, Config, Dedicated, Unreachable, try_connect};
use redis::{FromRedisValue, Script};
use tokio::time::timeout;

/// The oldest version with all that is used: streams, and scripts that may ask for the time.
const OLDEST: u32 = 5;
/// A median answer slower than this is felt: a request asks several times.
const SLOW: Duration = Duration::from_millis(10);
/// Longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at the Redis behind the cache, the shared limits and the cluster bus.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut connection = match try_connect(config).await {
        Ok(connection) => connection,
        Err(unreachable) => return vec![no_connection(config, &unreachable)],
    };
    let mut findings = vec![latency(config, &mut connection).await];
    findings.extend(rights(&mut connection).await);
    let info = ask::<String>(&mut connection, redis::cmd("INFO").arg("all")).await;
    match info {
        Ok(info) => {
            findings.extend(version(&info));
            findings.extend(mode(&info));
            findings.extend(memory(&info));
            findings.extend(persistence(&mut connection, &info).await);
        }
        Err(away) => findings.push(Finding::warning(
            format!("Redis does not tell about itself ({away})"),
            "Allow the user the command INFO: with it, version, memory and persistence are checked",
        )),
    }
    findings
}

async fn ask<T: FromRedisValue>(
    connection: &mut Dedicated,
    command: &redis::Cmd,
) -> Result<T, Away> {
    match timeout(PATIENCE, command.query_async(&mut **connection)).await {
        Ok(answer) => answer.map_err(Away::from),
        Err(_) => Err(Away::TimedOut),
    }
}

fn no_connection(config: &Config, unreachable: &Unreachable) -> Finding {
    let advice = match unreachable {
        Unreachable::Network(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "Start Redis, or correct the address and port"
        }
        Unreachable::Network(_) => "Correct the address; rediss:// only where Redis speaks TLS",
        Unreachable::Login(Away::Refused { code, .. })
            if ["NOAUTH", "WRONGPASS"].contains(&code.as_str()) =>
        {
            "Set the password (REDIS_PASSWORD), and the user if there is one"
        }
        Unreachable::Login(_) => "Ask again in a moment; if it stays, see Redis's log",
        Unreachable::TimedOut => "See whether a firewall is in between, and whether Redis is busy",
        Unreachable::Replica => "Give the address of the primary: a replica takes no writes",
    };
    Finding::problem(format!("no connection to {config}: {unreachable}"), advice)
}

async fn latency(config: &Config, connection: &mut Dedicated) -> Finding {
    let mut took = Vec::new();
    for _ in 0..7 {
        let began = Instant::now();
        if let Err(away) = ask::<()>(connection, &redis::cmd("PING")).await {
            return Finding::problem(
                format!("{config} does not answer: {away}"),
                "See Redis's log and its load",
            );
        }
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let shown = format!("{config} answers in {:.1} ms", median.as_secs_f64() * 1_000.0);
    if median > SLOW {
        Finding::warning(
            shown,
            "Bring Redis closer to the hosts: each request asks it several times",
        )
    } else {
        Finding::fine(shown)
    }
}

/// Whether we may do what we will do, tried on a key of our own.
async fn rights(connection: &mut Dedicated) -> Option<Finding> {
    let key = format!("pingtalk:doctor:{:016x}", rand::random::<u64>());
    let tried = async {
        let () =
            ask(connection, redis::cmd("SET").arg(&key).arg("1").arg("PX").arg(10_000)).await?;
        let script = Script::new("return redis.call('INCRBY', KEYS[1], 1)");
        let call = script.key(&key);
        match timeout(PATIENCE, call.invoke_async::<i64>(&mut **connection)).await {
            Ok(answer) => answer.map_err(Away::from)?,
            Err(_) => return Err(Away::TimedOut),
        };
        let _: Option<String> = ask(connection, redis::cmd("GET").arg(&key)).await?;
        ask::<u64>(connection, redis::cmd("UNLINK").arg(&key)).await
    };
    match tried.await {
        Ok(_) => None,
        Err(away) => Some(Finding::problem(
            format!("Redis lets us in, but not write: {away}"),
            "Allow the user to read, write and run scripts on all keys, and give Redis memory",
        )),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn version(info: &str) -> Option<Finding> {
    let version = field(info, "redis_version")?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    Some(if major < OLDEST {
        Finding::problem(
            format!("Redis is {version}"),
            "Update it: version 5 is the oldest that works",
        )
    } else {
        Finding::fine(format!("Redis is {version}"))
    })
}

fn mode(info: &str) -> Option<Finding> {
    (field(info, "cluster_enabled")? == "1").then(|| {
        Finding::problem(
            "this Redis is part of a Redis Cluster, which spreads keys over servers",
            "Use a single Redis, with replicas if you like: hosts expect all keys in one place",
        )
    })
}

fn memory(info: &str) -> Option<Finding> {
    let limit = field(info, "maxmemory")?;
    let policy = field(info, "maxmemory_policy")?;
    (limit != "0" && policy == "noeviction").then(|| {
        Finding::warning(
            "Redis refuses writes when its memory is full (maxmemory-policy noeviction)",
            "Set maxmemory-policy to volatile-lru: what we store there may be dropped at any time",
        )
    })
}

/// A cache that comes back from the disk comes back as it was earlier.
async fn persistence(connection: &mut Dedicated, info: &str) -> Option<Finding> {
    let log = field(info, "aof_enabled").is_some_and(|enabled| enabled == "1");
    // A service may forbid the question; then only the log is known of.
    let saves: Option<Vec<String>> =
        ask(connection, redis::cmd("CONFIG").arg("GET").arg("save")).await.ok();
    let saves = saves.and_then(|pair| pair.get(1).cloned()).unwrap_or_default();
    let how = match (saves.is_empty(), log) {
        (true, false) => return None,
        (false, false) => "snapshots".to_owned(),
        (_, true) => "an append-only file".to_owned(),
    };
    Some(Finding::warning(
        format!("Redis keeps its data on disk ({how}): after a crash it returns with older values"),
        "If nothing else needs it, turn it off (save \"\", appendonly no); with it, a value that \
         was changed just before a crash may be served until it expires",
    ))
}
