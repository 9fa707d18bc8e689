//! What this backend promises beyond the contract: what a restart keeps, and what its limits do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Bson, Document, doc};
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Collection, Condition, DocumentError, DocumentStore, DocumentsBackend, Filter, Index,
        NewEvent, Operation, Outcome, Query, Test, Transaction, Value, Write,
    },
};
use pingtalk_documents_sqlite::{Config, SqliteDocuments};

fn collections() -> Vec<Collection> {
    let index = |fields: &[&str]| Index {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        unique: false,
        sparse: false,
    };
    let indexes = vec![index(&["l"]), index(&["n"])];
    vec![Collection { database: "db".to_owned(), name: "c".to_owned(), indexes }]
}

async fn open(backend: &Arc<dyn DocumentsBackend>) -> DocumentStore {
    backend.open(&TenantId::default_tenant(), &collections()).await.unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn insert(id: &str, document: &Document) -> Transaction {
    let document = document.to_vec().unwrap().into();
    let operation = Operation::Insert { document, sequence: None };
    commit(id, operation)
}

fn commit(id: &str, operation: Operation) -> Transaction {
    Transaction {
        id: id.to_owned(),
        writes: vec![Write { database: "db".to_owned(), collection: "c".to_owned(), operation }],
        events: vec![],
    }
}

fn is(path: &str, test: Test) -> Condition {
    Condition { path: path.to_owned(), test }
}

async fn find(store: &DocumentStore, conditions: Vec<Condition>) -> Vec<Document> {
    let filter = Filter { any_of: vec![conditions] };
    let query = Query { filter, limit: 1_000, ..Query::default() };
    let found = store.documents.find("db", "c", query, soon()).await.unwrap();
    found.iter().map(|it| Document::from_reader(&it[..]).unwrap()).collect()
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let first = {
        let backend = SqliteDocuments::new(Config::new(folder.path()));
        let store = open(&backend).await;
        let mut commit = insert("one", &doc! {"_id": 1, "l": [1, 9]});
        commit.events = vec![NewEvent { topic: "t".to_owned(), payload: "e".into() }];
        store.documents.commit(commit, soon()).await.unwrap()
    };
    let backend = SqliteDocuments::new(Config::new(folder.path()));
    let store = open(&backend).await;
    // That `l` holds arrays is known still: two bounds may be met by two elements.
    let bounds = vec![is("l", Test::Gt(Value::Int32(5))), is("l", Test::Lt(Value::Int32(5)))];
    assert_eq!(find(&store, bounds).await, [doc! {"_id": 1, "l": [1, 9]}]);
    assert_eq!(store.outbox.unpublished(9).await.unwrap().len(), 1);
    // The relay is woken for what an earlier process left.
    tokio::time::timeout(Duration::from_secs(5), store.outbox.changed()).await.unwrap();
    let again = store.documents.commit(insert("one", &doc! {"_id": 1}), soon()).await.unwrap();
    assert_eq!(again, first);
    assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Inserted(_))));
}

#[tokio::test]
async fn opening_again_joins_and_another_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteDocuments::new(Config::new(folder.path()));
    let (one, two) = (open(&backend).await, open(&backend).await);
    one.documents.commit(insert("a", &doc! {"_id": 1}), soon()).await.unwrap();
    assert_eq!(find(&two, vec![]).await.len(), 1);
    // A second backend on the same folder stands for a second process.
    let other = SqliteDocuments::new(Config::new(folder.path()));
    let result = other.open(&TenantId::default_tenant(), &collections()).await;
    assert!(matches!(result.map(|_| ()), Err(DocumentError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_is_written_after_the_handles_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    {
        let backend = SqliteDocuments::new(Config::new(folder.path()));
        let store = open(&backend).await;
        for at in 0..200 {
            let documents = Arc::clone(&store.documents);
            let commit = insert(&format!("{at}"), &doc! {"_id": at});
            let mut call = Box::pin(async move { documents.commit(commit, soon()).await });
            // Polled once: queued, not awaited.
            assert!(futures_util::poll!(&mut call).is_pending());
        }
    }
    let backend = SqliteDocuments::new(Config::new(folder.path()));
    let store = open(&backend).await;
    assert_eq!(find(&store, vec![]).await.len(), 200);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_waiting: 4, ..Config::new(folder.path()) };
    let backend = SqliteDocuments::new(config);
    let store = open(&backend).await;
    let mut calls = Vec::new();
    for at in 0..400 {
        let documents = Arc::clone(&store.documents);
        let commit = insert(&format!("{at}"), &doc! {"_id": at});
        calls.push(tokio::spawn(async move { documents.commit(commit, soon()).await }));
    }
    let (mut done, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => done += 1,
            Err(DocumentError::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    assert_eq!(find(&store, vec![]).await.len(), done);
    store.documents.commit(insert("late", &doc! {"_id": "late"}), soon()).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_deleting_helps() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 2 * 1024 * 1024, ..Config::new(folder.path()) };
    let backend = SqliteDocuments::new(config);
    let store = open(&backend).await;
    let large = |at: i32| doc! {"_id": at, "data": "x".repeat(200_000), "n": 1};
    let mut stored = 0;
    let error = loop {
        let commit = insert(&format!("{stored}"), &large(stored));
        match store.documents.commit(commit, soon()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 50, "the limit did not hold");
    };
    assert!(matches!(error, DocumentError::Unavailable(_)), "{error:?}");
    let n = || vec![is("n", Test::Eq(Value::Int32(1)))];
    assert_eq!(find(&store, n()).await.len(), usize::try_from(stored).unwrap());
    let all = Filter { any_of: vec![n()] };
    store.documents.commit(commit("clear", Operation::DeleteAll(all)), soon()).await.unwrap();
    store.documents.commit(insert("again", &large(99)), soon()).await.unwrap();
    assert_eq!(find(&store, n()).await.len(), 1);
}

#[tokio::test]
async fn readers_see_whole_commits_only() {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteDocuments::new(Config::new(folder.path()));
    let store = open(&backend).await;
    let documents = Arc::clone(&store.documents);
    let writer = tokio::spawn(async move {
        for at in 0..100 {
            let mut pair = insert(&format!("{at}"), &doc! {"n": at});
            pair.writes.push(pair.writes[0].clone());
            documents.commit(pair, soon()).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let found = find(&store, vec![is("n", Test::Gte(Value::Int32(0)))]).await;
        assert_eq!(found.len() % 2, 0);
        let last = found.iter().filter_map(|it| it.get("n").and_then(Bson::as_i32)).max();
        let last = last.map_or(0, |last| usize::try_from(last).unwrap() + 1);
        assert_eq!(found.len(), 2 * last);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_conflict_names_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteDocuments::new(Config::new(folder.path()));
    let mut collections = collections();
    let fields = vec!["a".to_owned(), "d.b".to_owned()];
    collections[0].indexes.push(Index { fields, unique: true, sparse: false });
    let store = backend.open(&TenantId::default_tenant(), &collections).await.unwrap();
    store.documents.commit(insert("1", &doc! {"_id": 1, "a": 1}), soon()).await.unwrap();
    for (document, name) in [(doc! {"_id": 1, "a": 2}, "_id"), (doc! {"_id": 2, "a": 1}, "a+d.b")] {
        let result = store.documents.commit(insert("2", &document), soon()).await;
        assert_eq!(result, Err(DocumentError::Conflict(name.to_owned())));
    }
}
