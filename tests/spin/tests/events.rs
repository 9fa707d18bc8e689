//! Events under Spin: delivered by the request that caused them, again by a later one if that failed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_capabilities::{
    TenantId,
    documents::{
        Collection, DocumentStore, DocumentsBackend, Filter, NewEvent, Operation, Query,
        Transaction, Write,
    },
};
use pingtalk_spin_tests::{Answer, Consumer, SpinDocuments};

const DONE: Answer = Answer::Json(r#"{"end":"done"}"#);

/// The files live as long as the backend does.
async fn open(consumer: &Arc<Consumer>) -> (DocumentStore, Arc<dyn DocumentsBackend>) {
    let collection =
        Collection { database: "testDB".to_owned(), name: "c".to_owned(), indexes: Vec::new() };
    let backend = SpinDocuments::with_consumer(Arc::clone(consumer));
    let store = backend.open(&TenantId::default_tenant(), &[collection]).await.unwrap();
    (store, backend)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Commits a document and an event, both called `id`.
async fn commit(store: &DocumentStore, id: &str) {
    let document = bytes::Bytes::from_static(&[5, 0, 0, 0, 0]);
    let transaction = Transaction {
        id: id.to_owned(),
        writes: vec![Write {
            database: "testDB".to_owned(),
            collection: "c".to_owned(),
            operation: Operation::Insert { document, sequence: None },
        }],
        events: vec![NewEvent { topic: "a".to_owned(), payload: format!("\"{id}\"").into() }],
    };
    store.documents.commit(transaction, soon()).await.unwrap();
}

/// Any other request, after a while.
async fn later(store: &DocumentStore) {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for _ in 0..2 {
        // One for each instance.
        let query = Query { filter: Filter { any_of: vec![vec![]] }, limit: 1, ..Query::default() };
        store.documents.find("testDB", "c", query, soon()).await.unwrap();
    }
}

async fn waiting(store: &DocumentStore) -> usize {
    store.outbox.unpublished(100).await.unwrap().len()
}

/// The consumer's view of a call: the event's id and attempt.
fn told(body: &str) -> (String, u64) {
    let call: serde_json::Value = serde_json::from_str(body).unwrap();
    (call["id"].as_str().unwrap().to_owned(), call["attempt"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_that_caused_it_delivers_it() {
    let consumer = Arc::new(Consumer::default());
    consumer.answers(DONE);
    let (store, _files) = open(&consumer).await;
    commit(&store, "one").await;
    let calls = consumer.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].target, "http://consumer.spin.internal/.pingtalk/event");
    assert!(calls[0].signature.as_ref().is_some_and(|signature| signature.contains('.')));
    assert!(calls[0].body.contains(r#""payload":"\"one\"""#), "{}", calls[0].body);
    assert_eq!(waiting(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_comes_again_with_a_later_request() {
    let consumer = Arc::new(Consumer::default());
    let (store, _files) = open(&consumer).await;
    // It can't be reached; the commit is made all the same.
    commit(&store, "one").await;
    assert_eq!((consumer.calls().len(), waiting(&store).await), (1, 1));
    consumer.answers(Answer::Status(500));
    later(&store).await;
    assert_eq!((consumer.calls().len(), waiting(&store).await), (2, 1));
    consumer.answers(Answer::Json(r#"{"end":"retry","reason":"not yet"}"#));
    later(&store).await;
    assert_eq!((consumer.calls().len(), waiting(&store).await), (3, 1));
    consumer.answers(DONE);
    later(&store).await;
    let calls = consumer.calls();
    let (id, _) = told(&calls[0].body);
    let attempts: Vec<_> = calls.iter().map(|call| told(&call.body)).collect();
    assert_eq!(attempts, (1..=4).map(|attempt| (id.clone(), attempt)).collect::<Vec<_>>());
    assert_eq!(waiting(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_a_dead_letter() {
    let consumer = Arc::new(Consumer::default());
    consumer.answers(Answer::Json(r#"{"end":"reject","reason":"never"}"#));
    let (store, _files) = open(&consumer).await;
    commit(&store, "one").await;
    later(&store).await;
    assert_eq!(consumer.calls().len(), 1, "it does not come again");
    assert_eq!(waiting(&store).await, 1, "an operator can find it");
}
