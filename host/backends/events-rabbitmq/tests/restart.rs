//! A host that is killed with deliveries in hand: they come again with the attempts they had, what it
//! settled does not, and pauses go on without it.
//!
//! The process that is killed is this test binary again, running the ignored test `child`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod scene;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use pingtalk_capabilities::{TenantId, events::Disposition};
use scene::{Neighbour, config, event, next, nothing, open, take};

const TENANT: &str = "PINGTALK_KILL_TEST_TENANT";

fn say(what: &str, id: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{what} {id}").unwrap();
    out.flush().unwrap();
}

/// Settles the first three, each in another way, and holds what it gets then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the other test kills"]
async fn child() {
    let Ok(tenant) = std::env::var(TENANT) else { return };
    let events = open(config(), &TenantId::new(&tenant).unwrap()).await;
    let mut answers = vec![
        Disposition::Reject("never".to_owned()),
        Disposition::Retry("later".to_owned()),
        Disposition::Done,
    ];
    let mut in_hand = Vec::new();
    loop {
        let delivery = next(&events).await;
        let id = delivery.event().id.clone();
        match answers.pop() {
            Some(answer) => {
                delivery.settle(answer).await.unwrap();
                say("settled", &id);
            }
            None => {
                in_hand.push(delivery);
                say("holds", &id);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_host_held_comes_again() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    events.publish((0..8).map(|at| event(&format!("{at}"))).collect()).await.unwrap();
    let name = tenant.to_string();
    let killing = tokio::task::spawn_blocking(move || run_and_kill(&name, 8));
    let lines: BTreeSet<String> = killing.await.unwrap().into_iter().collect();
    for settled in ["settled 0", "settled 1", "settled 2", "holds 3"] {
        assert!(lines.contains(settled), "{lines:?}");
    }
    let mut again = Vec::new();
    for _ in 0..6 {
        let event = take(&events).await;
        again.push((event.id, event.attempt));
    }
    again.sort();
    let expected = [("1", 2), ("3", 1), ("4", 1), ("5", 1), ("6", 1), ("7", 1)];
    assert_eq!(again, expected.map(|(id, attempt)| (id.to_owned(), attempt)));
    nothing(&events).await;
    let dead = events.dead_letters("q", 9).await.unwrap();
    assert_eq!((dead.len(), dead[0].event.id.as_str(), dead[0].reason.as_str()), (1, "2", "never"));
    assert_eq!(events.depth("q").await, Ok(0));
    Neighbour::new(&tenant).await.clean_up().await;
}

/// Runs a child until it has written so many lines, kills it, and returns them.
fn run_and_kill(tenant: &str, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(TENANT, tenant)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (say, said) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let ours = line.starts_with("settled ") || line.starts_with("holds ");
            if ours && say.send(line).is_err() {
                return;
            }
        }
    });
    let patience = Duration::from_secs(30);
    let heard: Result<Vec<_>, _> = (0..lines).map(|_| said.recv_timeout(patience)).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(said);
    reader.join().unwrap();
    heard.expect("the child to get everything")
}
