//! Measures what one notice costs, said and heard, beside bare `XADD` and `XREAD` with the same
//! callers in the same run:
//!
//!     PINGTALK_TEST_REDIS=redis://127.0.0.1:6379/ \
//!         cargo run --release -p pingtalk-cluster-redis --example throughput
//!
//! Both sides are this process, so its CPU time (user and system, as Linux counts it) is that of the
//! host that speaks and the one that hears together. Redis's own is not in it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    cluster::{Cluster, ClusterBackend, Notice, Received},
};
use pingtalk_cluster_redis::{Config, RedisCluster};
use pingtalk_redis_connection::{self as connection, Redis};
use redis::{Value, cmd};

const NOTICES: usize = 50_000;
const CALLERS: usize = 64;
/// A chat message.
const BODY: usize = 400;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::var("PINGTALK_TEST_REDIS").unwrap();
    let redis = Redis::new(connection::Config::new(&url).unwrap());
    println!("          notices/s   CPU us each");
    let (mut bare, mut ours) = (Figures::default(), Figures::default());
    // In turns, so that a busy machine is as bad for one as for the other.
    for _ in 0..3 {
        bare.add(&measure(bare_round(&redis)).await);
        ours.add(&measure(our_round(&redis)).await);
    }
    for (name, figures) in [("bare", &bare), ("ours", &ours)] {
        println!("{name:>8} {:>10.0} {:>13.2}", figures.rate(), figures.cpu_each());
    }
    let (rate, cpu) = (ours.rate() / bare.rate(), ours.cpu_each() / bare.cpu_each());
    println!("   ratio {rate:>10.2} {cpu:>13.2}");
}

#[derive(Default)]
struct Figures {
    notices: usize,
    time: Duration,
    cpu: Duration,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.notices += other.notices;
        self.time += other.time;
        self.cpu += other.cpu;
    }

    fn rate(&self) -> f64 {
        self.notices as f64 / self.time.as_secs_f64()
    }

    fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.notices as f64
    }
}

async fn measure(round: impl Future<Output = ()>) -> Figures {
    let (started, before) = (Instant::now(), cpu());
    round.await;
    Figures { notices: NOTICES, time: started.elapsed(), cpu: cpu() - before }
}

/// This process's CPU time. /proc/self/stat counts in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

async fn our_round(redis: &Redis) {
    let tenant = TenantId::new(&format!("bench-{}", std::process::id())).unwrap();
    let cluster = RedisCluster::new(redis.clone(), Config::default());
    let speaker = cluster.open(&tenant).await.unwrap();
    let listener = cluster.open(&tenant).await.unwrap();
    let mut ears = listener.subscribe().await;
    // Before, nobody waits for anything, and what is said at once would be too much.
    while !speaker.stats().connected {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let speaking: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let speaker: Arc<dyn Cluster> = Arc::clone(&speaker);
            tokio::spawn(async move {
                for _ in (caller..NOTICES).step_by(CALLERS) {
                    let head = Bytes::from_static(b"room:0123456789abcdef01234567");
                    speaker.publish(Notice { head, body: Bytes::from(vec![b'x'; BODY]) }).await;
                }
            })
        })
        .collect();
    for _ in 0..NOTICES {
        match ears.next().await {
            Received::Notice { body, .. } => {
                assert_eq!(ears.fetch(body).await.unwrap().len(), BODY);
            }
            Received::Lost(reason) => panic!("{reason}"),
        }
    }
    for caller in speaking {
        caller.await.unwrap();
    }
}

async fn bare_round(redis: &Redis) {
    let key = format!("pingtalk:cluster:bare-{}", std::process::id());
    let speaker = redis.dedicated().await.unwrap();
    let mut ears = redis.dedicated().await.unwrap();
    let speaking: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (mut speaker, key) = (speaker.clone(), key.clone());
            tokio::spawn(async move {
                for _ in (caller..NOTICES).step_by(CALLERS) {
                    let mut append = cmd("XADD");
                    append.arg(&key).arg("*").arg("h").arg("room:0123456789abcdef01234567");
                    append.arg("b").arg(vec![b'x'; BODY]);
                    let _: Value = append.query_async(&mut speaker).await.unwrap();
                }
            })
        })
        .collect();
    let (mut heard, mut last) = (0, "0-0".to_owned());
    while heard < NOTICES {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(128).arg("BLOCK").arg(5_000).arg("STREAMS").arg(&key).arg(&last);
        let answer: Value = read.query_async(&mut *ears).await.unwrap();
        let Value::Array(streams) = answer else { panic!("{answer:?}") };
        let Value::Array(stream) = &streams[0] else { panic!() };
        let Value::Array(entries) = &stream[1] else { panic!() };
        let Value::Array(newest) = &entries[entries.len() - 1] else { panic!() };
        let Value::BulkString(id) = &newest[0] else { panic!() };
        last = String::from_utf8(id.clone()).unwrap();
        heard += entries.len();
    }
    for caller in speaking {
        caller.await.unwrap();
    }
    let _: Value = cmd("DEL").arg(&key).query_async(&mut *ears).await.unwrap();
}
