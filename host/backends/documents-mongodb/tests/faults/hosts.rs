//! Hosts that race, connections that break, a server that is away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::commits::{PACE, commit, committed, config, effects, open, raw, seed, settled, soon};
use bson::{Document, doc};
use pingtalk_capabilities::{
    checkup::Severity,
    documents::{DocumentError, DocumentStore, Filter, Operation, Query, Transaction, Write},
};
use pingtalk_contract::{servers::mongodb, tenant};
use pingtalk_documents_mongodb::{Config, Fault, MongoDocuments, Pace, examine};
use pingtalk_fault_proxy::{Cut, FaultProxy};
use tokio::sync::Semaphore;

/// Stops once after a step: says that it is there, then waits to be let go.
fn stop_after(step: &'static str) -> (Fault, Arc<Semaphore>, Arc<Semaphore>) {
    let (reached, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (told, gate) = (Arc::clone(&reached), Arc::clone(&go));
    let fault: Fault = Arc::new(move |at| {
        let (told, gate) = (Arc::clone(&told), Arc::clone(&gate));
        Box::pin(async move {
            if at == step {
                told.add_permits(1);
                gate.acquire().await.unwrap().forget();
            }
        })
    });
    (fault, reached, go)
}

async fn reached(stop: &Semaphore) {
    let wait = stop.acquire();
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("reached").unwrap().forget();
}

async fn events(store: &DocumentStore) -> usize {
    store.outbox.unpublished(99).await.unwrap().len()
}

/// Slow to remove markers: longer than a stopped host is stopped in these tests.
fn patient(uri: &str) -> Config {
    Config { pace: Pace { settled: Duration::from_secs(6), ..PACE }, ..config(uri) }
}

/// A host that stops in the middle is overtaken by two that recover at once, then goes on as if
/// nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_host_and_two_recoveries_make_one_commit() {
    let uri = mongodb();
    for (kind, step) in
        [("insert", "decide"), ("update", "decide"), ("delete", "decide"), ("upsert", "later")]
    {
        let tenant = tenant();
        let database = raw(&uri, &tenant).await;
        let (fault, stopped, go) = stop_after(step);
        let slow = MongoDocuments::with_faults(patient(&uri), fault).unwrap();
        let slow = open(&*slow, &tenant).await;
        seed(&database).await;
        let call = {
            let documents = Arc::clone(&slow.documents);
            tokio::spawn(async move { documents.commit(commit("slow", kind), soon()).await })
        };
        reached(&stopped).await;
        let hosts = [
            MongoDocuments::new(patient(&uri)).unwrap(),
            MongoDocuments::new(patient(&uri)).unwrap(),
        ];
        let stores = [open(&*hosts[0], &tenant).await, open(&*hosts[1], &tenant).await];
        // Finished without the slow host: the event is there for one of the two.
        let patience = Instant::now() + Duration::from_secs(20);
        while events(&stores[0]).await + events(&stores[1]).await == 0 {
            assert!(Instant::now() < patience, "{kind}: nobody recovered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(effects(&database, kind).await, [1; 8], "{kind}, recovered");
        go.add_permits(99);
        // The slow one either finds the outcome or is told to ask again.
        let answer = call.await.unwrap();
        assert!(matches!(answer, Ok(_) | Err(DocumentError::Unavailable(_))), "{kind}: {answer:?}");
        let again = slow.documents.commit(commit("slow", kind), soon()).await.unwrap();
        assert_eq!(stores[0].documents.commit(commit("slow", kind), soon()).await.unwrap(), again);
        assert_eq!(effects(&database, kind).await, [1; 8], "{kind}, at the end");
        settled(&database).await;
        database.drop().await.unwrap();
    }
}

/// The same commit on two hosts at once, again and again: one effect, one answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_commit_on_two_hosts_happens_once() {
    let uri = mongodb();
    let tenant = tenant();
    let database = raw(&uri, &tenant).await;
    let hosts =
        [MongoDocuments::new(patient(&uri)).unwrap(), MongoDocuments::new(patient(&uri)).unwrap()];
    let stores = [open(&*hosts[0], &tenant).await, open(&*hosts[1], &tenant).await];
    seed(&database).await;
    for kind in ["update", "insert"] {
        let calls = (0..8).map(|at| {
            let store = stores[at % 2].clone();
            // Told to ask again while the other host is at it.
            tokio::spawn(async move { committed(&store, &commit(kind, kind)).await })
        });
        let mut answers = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.unwrap());
        }
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{kind}: {answers:?}");
    }
    assert_eq!(effects(&database, "update").await[0], 1);
    assert_eq!(effects(&database, "insert").await[0], 1);
    assert_eq!(events(&stores[0]).await + events(&stores[1]).await, 2);
    settled(&database).await;
    database.drop().await.unwrap();
}

async fn proxied() -> (FaultProxy, String) {
    let uri = mongodb();
    let target = uri.trim_start_matches("mongodb://").trim_end_matches('/').to_owned();
    let proxy = FaultProxy::start(target).await.unwrap();
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    (proxy, uri)
}

fn labelled(id: &str, label: &str) -> Transaction {
    let mut commit = commit(id, "insert");
    let document = doc! {"label": label}.to_vec().unwrap().into();
    commit.writes = vec![Write {
        database: "db".to_owned(),
        collection: "main".to_owned(),
        operation: Operation::Insert { document, sequence: None },
    }];
    commit
}

/// A request is carried out and its reply lost, or lost itself: trying again gives one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ambiguous_write_happens_once() {
    let (proxy, uri) = proxied().await;
    let tenant = tenant();
    let database = raw(&mongodb(), &tenant).await;
    let backend = MongoDocuments::new(config(&uri)).unwrap();
    let store = open(&*backend, &tenant).await;
    let mut expected = 0;
    for cut in [Cut::BeforeReply, Cut::BeforeRequest] {
        // The claim holds the commit's id, only the deciding write the document.
        for needle in ["the-commit-id", "the-document"] {
            let id = format!("the-commit-id-{expected}");
            let label = format!("the-document-{expected}");
            let trap = proxy.trap(needle, cut);
            let first = store.documents.commit(labelled(&id, &label), soon()).await;
            trap.sprung().await;
            assert!(
                matches!(first, Err(DocumentError::Unavailable(_))),
                "{cut:?} {needle}: {first:?}"
            );
            let again = store.documents.commit(labelled(&id, &label), soon()).await.unwrap();
            assert_eq!(store.documents.commit(labelled(&id, &label), soon()).await, Ok(again));
            expected += 1;
            let main = database.collection::<Document>("main");
            assert_eq!(main.count_documents(doc! {}).await.unwrap(), expected, "{cut:?} {needle}");
            assert_eq!(events(&store).await as u64, expected, "{cut:?} {needle}");
        }
    }
    settled(&database).await;
    database.drop().await.unwrap();
}

/// Calls end within their deadline while the server is away, opening as well, and everything goes on
/// by itself when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_and_comes_back() {
    let (proxy, uri) = proxied().await;
    let tenant = tenant();
    let fast = Config { selection_timeout: Duration::from_secs(1), ..config(&uri) };
    proxy.take_away();
    let backend = MongoDocuments::new(fast).unwrap();
    let refused = backend.open(&tenant, &crate::commits::collections()).await.map(drop);
    assert!(matches!(refused, Err(DocumentError::Unavailable(_))), "{refused:?}");
    proxy.mend();
    let store = open(&*backend, &tenant).await;
    store.documents.commit(labelled("before", "before"), soon()).await.unwrap();
    for hold in [false, true] {
        if hold {
            proxy.set(pingtalk_fault_proxy::Fault::HoldAll);
        } else {
            proxy.take_away();
        }
        let everything = Filter { any_of: vec![vec![]] };
        let query = Query { filter: everything, limit: 9, ..Query::default() };
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(2);
        let found = store.documents.find("db", "main", query, deadline).await;
        let lost = store.documents.commit(labelled("away", "away"), deadline).await;
        let away = |error: &DocumentError| {
            matches!(error, DocumentError::Unavailable(_) | DocumentError::DeadlineExceeded)
        };
        assert!(found.as_ref().is_err_and(away) && lost.as_ref().is_err_and(away), "{lost:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        proxy.mend();
        let patience = Instant::now() + Duration::from_secs(20);
        while let Err(error) = store.documents.commit(labelled("away", "away"), soon()).await {
            assert!(away(&error) && Instant::now() < patience, "{error:?}");
        }
    }
    let database = raw(&mongodb(), &tenant).await;
    let main = database.collection::<Document>("main");
    assert_eq!(main.count_documents(doc! {}).await.unwrap(), 2);
    settled(&database).await;
    database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_a_server_that_works_from_one_that_is_away() {
    let (proxy, uri) = proxied().await;
    let worst = |findings: &[pingtalk_capabilities::checkup::Finding]| {
        findings.iter().map(|finding| finding.severity).max().unwrap()
    };
    let findings = examine(&config(&uri)).await;
    assert!(worst(&findings) < Severity::Problem, "{findings:?}");
    assert!(findings.iter().any(|finding| finding.what.contains("takes writes")), "{findings:?}");
    proxy.take_away();
    let away = Config { selection_timeout: Duration::from_secs(1), ..config(&uri) };
    let findings = examine(&away).await;
    assert_eq!(worst(&findings), Severity::Problem, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.advice.is_some()), "{findings:?}");
}
