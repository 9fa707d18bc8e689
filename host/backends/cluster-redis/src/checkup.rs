//! What an operator should know of the Redis before hosts rely on it.

use std::time::Duration;

use pingtalk_capabilities::checkup::Finding;
use pingtalk_redis_connection::{Away, Config, Dedicated, Redis};
use redis::{Cmd, FromRedisValue, cmd};
use tokio::time::timeout;

use crate::entry::Origin;

/// Longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// `XADD … MINID` came with it.
const OLDEST: (u32, u32) = (6, 2);

/// Appends to a stream of its own, reads and removes it, and looks at what the server says of
/// itself.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let redis = Redis::new(config.clone());
    let mut connection = match redis.dedicated().await {
        Ok(connection) => connection,
        Err(away) => {
            return vec![Finding::problem(
                format!("the cluster's bus at {config} can't be reached: {away}"),
                "start Redis, or correct its address and password; until then hosts deliver to \
                 their own sockets only",
            )];
        }
    };
    let mut findings = vec![stream(config, &mut connection).await];
    findings.extend(version(&mut connection).await);
    findings.extend(eviction(&mut connection).await);
    findings
}

async fn stream(config: &Config, connection: &mut Dedicated) -> Finding {
    match probe(connection).await {
        Ok(true) => Finding::fine(format!("the cluster's bus at {config} takes and gives notices")),
        Ok(false) => Finding::problem(
            format!("the cluster's bus at {config} does not give back what it was given"),
            "use one Redis, or the primary of several, not a proxy that spreads commands",
        ),
        Err(away) => Finding::problem(
            format!("the cluster's bus at {config} does not take notices: {away}"),
            "use Redis 6.2 or later, and allow XADD, XREAD, XRANGE, SET, GET and DEL on keys that \
             begin with pingtalk:cluster:",
        ),
    }
}

async fn probe(connection: &mut Dedicated) -> Result<bool, Away> {
    let key = format!("pingtalk:cluster:probe:{:032x}", Origin::random().0);
    let body = format!("{key}:body");
    let mut append = cmd("XADD");
    append.arg(&key).arg("MINID").arg("~").arg("1").arg("*").arg("h").arg("probe");
    let id: String = ask(connection, &append).await?;
    let mut set = cmd("SET");
    let () = ask(connection, set.arg(&body).arg("probe").arg("PX").arg(5_000)).await?;
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(1).arg("BLOCK").arg(100).arg("STREAMS").arg(&key).arg("0-0");
    let entries = crate::stream::read(ask(connection, &read).await?).ok_or(Away::Unexpected)?;
    let read_back = entries.into_iter().next().and_then(crate::stream::entry);
    let mut range = cmd("XRANGE");
    let found: Vec<redis::Value> = ask(connection, range.arg(&key).arg(&id).arg(&id)).await?;
    let mut get = cmd("GET");
    let value: Option<String> = ask(connection, get.arg(&body)).await?;
    let mut delete = cmd("DEL");
    let deleted: u32 = ask(connection, delete.arg(&key).arg(&body)).await?;
    let same = read_back.is_some_and(|(read, _)| read.to_string() == id);
    Ok(same && found.len() == 1 && value.as_deref() == Some("probe") && deleted == 2)
}

async fn version(connection: &mut Dedicated) -> Option<Finding> {
    let mut info = cmd("INFO");
    let text: String = ask(connection, info.arg("server")).await.ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"))?.trim();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let known = (numbers.next()?, numbers.next()?);
    (known < OLDEST).then(|| {
        Finding::problem(
            format!("Redis {version} is too old for the cluster's bus"),
            "use Redis 6.2 or later",
        )
    })
}

/// A stream that is evicted is a loss that all clients notice.
async fn eviction(connection: &mut Dedicated) -> Option<Finding> {
    let mut get = cmd("CONFIG");
    get.arg("GET").arg("maxmemory*");
    // Managed servers refuse this: then nobody can tell.
    let settings: Vec<(String, String)> = ask(connection, &get).await.ok()?;
    let setting =
        |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let bounded = setting("maxmemory").is_some_and(|most| most != "0");
    let policy = setting("maxmemory-policy").filter(|policy| policy.starts_with("allkeys"))?;
    bounded.then(|| {
        Finding::warning(
            format!("Redis may drop the cluster's stream when memory is short ({policy})"),
            "set maxmemory-policy to volatile-lru, volatile-ttl or noeviction: everything cached \
             has an expiry, the stream has none",
        )
    })
}

async fn ask<T: FromRedisValue>(connection: &mut Dedicated, command: &Cmd) -> Result<T, Away> {
    match timeout(PATIENCE, command.query_async(&mut **connection)).await {
        Ok(answer) => answer.map_err(Away::from),
        Err(_) => Err(Away::TimedOut),
    }
}
