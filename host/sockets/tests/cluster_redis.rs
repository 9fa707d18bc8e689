//! Hosts on a real bus, Redis, each behind a network of its own that fails.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use pingtalk_capabilities::{
    TenantId,
    cluster::ClusterBackend,
    sockets::{Message, Sockets, Target},
};
use pingtalk_cluster_redis::RedisCluster;
use pingtalk_contract::{servers::redis, tenant};
use pingtalk_fault_proxy::{Fault, FaultProxy};
use pingtalk_redis_connection::{self as connection, Redis};
use pingtalk_sockets::Config;
use support::{
    client::Ws,
    stage::{QUIET, Stage, config, event, events, room, socket},
};
use tokio::time::sleep;

struct Host {
    stage: Stage,
    proxy: FaultProxy,
}

async fn hosts<const COUNT: usize>(tenant: &TenantId, window: Duration) -> [Host; COUNT] {
    let mut hosts = Vec::new();
    for _ in 0..COUNT {
        let config = Config { reorder_window: window, ..config() };
        let url = redis();
        let target = url.trim_start_matches("redis://").trim_end_matches('/');
        let proxy = FaultProxy::start(target).await.unwrap();
        let url = format!("redis://{}/", proxy.address());
        let redis = Redis::new(connection::Config::new(&url).unwrap());
        let cluster = RedisCluster::new(redis, pingtalk_cluster_redis::Config::default());
        let stage = Stage::new(config).await;
        stage.server.join_cluster(cluster.open(tenant).await.unwrap()).await;
        // The first beat has been taken.
        stage.until(|stats| stats.cluster.is_some_and(|cluster| cluster.connected)).await;
        hosts.push(Host { stage, proxy });
    }
    hosts.try_into().ok().unwrap()
}

/// Joins as `joinChat {after: 0}` does.
async fn client(stage: &Stage) -> Ws {
    let (ws, id) = stage.join("{\"user\":\"ann\"}").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    stage.server.release(socket(&id), "r", 0).await.unwrap();
    ws
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("e{number}")).collect()
}

/// Emits numbers in turn from all hosts, some at once.
async fn emit_all(hosts: &[Host], numbers: std::ops::Range<usize>, pause: Duration) {
    let mut under_way = Vec::new();
    for number in numbers {
        let server = Arc::clone(&hosts[number % hosts.len()].stage.server);
        under_way.push(tokio::spawn(async move {
            let event = event(&format!("e{number}"), "[]");
            server.emit(room("r"), event, Some(number as u64), None).await.unwrap();
        }));
        if number % 5 == 0 {
            sleep(pause).await;
        }
    }
    for emit in under_way {
        emit.await.unwrap();
    }
}

#[tokio::test]
async fn hosts_deliver_to_each_other_in_order() {
    // However slow the machine: what is tested is the order, not the giving up on it.
    let hosts: [Host; 3] = hosts(&tenant(), Duration::from_secs(10)).await;
    let mut clients = Vec::new();
    for host in &hosts {
        clients.push(client(&host.stage).await);
        clients.push(client(&host.stage).await);
    }
    emit_all(&hosts, 1..601, Duration::from_millis(1)).await;
    for ws in &mut clients {
        assert_eq!(events(ws, 600).await, names(1..601));
    }
    let message = Message {
        name: "file".to_owned(),
        arguments: "[{\"_placeholder\":true,\"num\":0}]".to_owned(),
        attachments: vec![Bytes::from(vec![7; 7_000_000])],
    };
    hosts[0].stage.server.emit(room("r"), message, Some(601), None).await.unwrap();
    for ws in &mut clients {
        assert!(ws.text().await.starts_with("451-[\"file\""));
        assert_eq!(ws.binary().await, vec![7; 7_000_000]);
        ws.silent_for(Duration::from_millis(5)).await;
    }
    // A logout on one host ends the sockets of all.
    hosts[0].stage.server.disconnect(Target::User("ann".to_owned()), None).await.unwrap();
    for ws in &mut clients {
        assert_eq!(ws.text().await, "41");
    }
}

#[tokio::test]
async fn short_outages_of_some_hosts_lose_and_repeat_nothing() {
    let hosts: [Host; 3] = hosts(&tenant(), config().reorder_window).await;
    let mut clients = Vec::new();
    for host in &hosts {
        clients.push(client(&host.stage).await);
    }
    let faults = async {
        sleep(Duration::from_millis(200)).await;
        hosts[1].proxy.take_away();
        sleep(Duration::from_millis(500)).await;
        hosts[2].proxy.set(Fault::HoldAll);
        hosts[1].proxy.mend();
        sleep(Duration::from_millis(500)).await;
        hosts[2].proxy.reset();
        hosts[2].proxy.mend();
    };
    let ((), ()) = tokio::join!(emit_all(&hosts, 1..1_001, Duration::from_millis(8)), faults);
    let expected: std::collections::BTreeSet<String> = names(1..1_001).into_iter().collect();
    let all = join_all(clients.iter_mut().map(|ws| events(ws, 1_000))).await;
    for heard in all {
        // Late ones came out of turn, under their number: complete and without repeats.
        assert_eq!(heard.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }
    // And in order again.
    emit_all(&hosts, 1_001..1_101, Duration::from_millis(1)).await;
    for ws in &mut clients {
        assert_eq!(events(ws, 100).await, names(1_001..1_101));
        ws.silent_for(QUIET).await;
    }
    for host in &hosts {
        assert_eq!(host.stage.server.stats().cluster.unwrap().lost, 0);
    }
}
