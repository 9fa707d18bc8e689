//! The commits that the fault tests interrupt, and what must be true of them afterwards.

use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Change, Collection, Condition, DocumentError, DocumentStore, DocumentsBackend, Filter,
        Index, NewEvent, Operation, Outcome, Sequence, Test, Transaction, Value, Write,
    },
};
use pingtalk_documents_mongodb::{Config, Pace};

/// Fast enough for a test, slow enough to tell a working host from a dead one.
pub(crate) const PACE: Pace = Pace {
    look: Duration::from_millis(100),
    abandoned: Duration::from_millis(400),
    settled: Duration::from_secs(4),
    orphaned: Duration::from_millis(400),
};

pub(crate) fn config(uri: &str) -> Config {
    Config { pace: PACE, ..Config::new(uri) }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Commits as a caller does: again while it is told that this is worth it.
pub(crate) async fn committed(store: &DocumentStore, commit: &Transaction) -> Vec<Outcome> {
    let patience = soon();
    loop {
        match store.documents.commit(commit.clone(), soon()).await {
            Ok(outcomes) => return outcomes,
            Err(error @ (DocumentError::Unavailable(_) | DocumentError::DeadlineExceeded)) => {
                assert!(Instant::now() < patience, "{error:?}");
            }
            Err(error) => panic!("{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn index(fields: &[&str]) -> Index {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Index { fields, unique: true, sparse: true }
}

pub(crate) fn collections() -> Vec<Collection> {
    let collection = |name: &str, indexes| Collection {
        database: "db".to_owned(),
        name: name.to_owned(),
        indexes,
    };
    vec![
        collection("main", vec![index(&["group", "seq"]), index(&["key"])]),
        collection("other", vec![]),
        collection("third", vec![]),
    ]
}

pub(crate) async fn open(backend: &dyn DocumentsBackend, tenant: &TenantId) -> DocumentStore {
    backend.open(tenant, &collections()).await.unwrap()
}

/// The tenant's database, past the store.
pub(crate) async fn raw(uri: &str, tenant: &TenantId) -> mongodb::Database {
    let client = mongodb::Client::with_uri_str(uri).await.unwrap();
    client.database(&format!("t_{tenant}_db"))
}

/// What is there before the commit.
pub(crate) async fn seed(database: &mongodb::Database) {
    let main = [doc! {"_id": "u", "n": 0, "tag": "x"}, doc! {"_id": "d", "tag": "gone"}];
    database.collection::<Document>("main").insert_many(main).await.unwrap();
    let other = [
        doc! {"_id": "o1", "n": 0, "m": 0, "tag": "o"},
        doc! {"_id": "a1", "tag": "all"},
        doc! {"_id": "a2", "tag": "all"},
        doc! {"_id": "del", "tag": "del"},
    ];
    database.collection::<Document>("other").insert_many(other).await.unwrap();
    let third = [doc! {"_id": "del", "tag": "del"}];
    database.collection::<Document>("third").insert_many(third).await.unwrap();
}

fn is(path: &str, value: &str) -> Filter {
    let test = Test::Eq(Value::Text(value.to_owned()));
    Filter { any_of: vec![vec![Condition { path: path.to_owned(), test }]] }
}

fn write(collection: &str, operation: Operation) -> Write {
    Write { database: "db".to_owned(), collection: collection.to_owned(), operation }
}

fn insert(document: &Document, sequence: Option<Sequence>) -> Operation {
    Operation::Insert { document: document.to_vec().unwrap().into(), sequence }
}

fn update(filter: Filter, field: &str, upsert: bool) -> Operation {
    Operation::Update { filter, changes: vec![Change::Increment(field.to_owned(), 1)], upsert }
}

/// A commit decided by a write of this kind, followed by writes of every kind and an event.
pub(crate) fn commit(id: &str, kind: &str) -> Transaction {
    let sequence = Sequence { field: "seq".to_owned(), within: vec!["group".to_owned()] };
    let first = match kind {
        "insert" => insert(&doc! {"label": "first"}, None),
        "numbered" => insert(&doc! {"label": "first", "group": "g"}, Some(sequence)),
        "update" => update(is("tag", "x"), "n", false),
        "upsert" => update(is("key", "new"), "n", true),
        "delete" => Operation::Delete(is("tag", "gone")),
        "delete-all" => Operation::DeleteAll(is("tag", "gone")),
        other => panic!("no such kind: {other}"),
    };
    let writes = vec![
        write("main", first),
        write("other", insert(&doc! {"label": "later"}, None)),
        write("other", update(is("tag", "o"), "n", false)),
        write("other", update(is("_id", "o1"), "m", false)),
        write("other", update(is("tag", "up"), "n", true)),
        write("other", Operation::Delete(is("tag", "del"))),
        write("third", Operation::Delete(is("_id", "del"))),
        write("other", Operation::DeleteAll(is("tag", "all"))),
    ];
    let events = vec![NewEvent { topic: "t".to_owned(), payload: "{}".into() }];
    Transaction { id: id.to_owned(), writes, events }
}

/// How often each write of the commit took effect. As a reader of the store sees it: a document
/// that is marked as deleted counts as gone.
pub(crate) async fn effects(database: &mongodb::Database, kind: &str) -> Vec<i64> {
    let count = async |collection: &str, mut filter: Document| {
        filter.insert("_deleting", doc! {"$exists": false});
        let collection = database.collection::<Document>(collection);
        i64::try_from(collection.count_documents(filter).await.unwrap()).unwrap()
    };
    let number = async |collection: &str, filter: Document, field: &str| {
        let found = database.collection::<Document>(collection).find_one(filter).await.unwrap();
        found.map_or(0, |found| match found.get(field) {
            Some(Bson::Int32(number)) => i64::from(*number),
            Some(Bson::Int64(number)) => *number,
            _ => 0,
        })
    };
    vec![
        match kind {
            "insert" => count("main", doc! {"label": "first"}).await,
            "numbered" => number("main", doc! {"label": "first"}, "seq").await,
            "update" => number("main", doc! {"_id": "u"}, "n").await,
            "upsert" => number("main", doc! {"key": "new"}, "n").await,
            _ => 1 - count("main", doc! {"tag": "gone"}).await,
        },
        count("other", doc! {"label": "later"}).await,
        number("other", doc! {"_id": "o1"}, "n").await,
        number("other", doc! {"_id": "o1"}, "m").await,
        number("other", doc! {"tag": "up"}, "n").await,
        1 - count("other", doc! {"tag": "del"}).await,
        1 - count("third", doc! {"_id": "del"}).await,
        (2 - count("other", doc! {"tag": "all"}).await) / 2,
    ]
}

/// Waits until no commit is open and no hidden field is left.
pub(crate) async fn settled(database: &mongodb::Database) {
    let patience = Instant::now() + Duration::from_secs(40);
    loop {
        let mut left = Vec::new();
        let open = database.collection::<Document>("pingtalk.commits");
        if let Some(record) = open.find_one(doc! {"state": {"$exists": true}}).await.unwrap() {
            left.push(record);
        }
        for name in ["main", "other", "third"] {
            let hidden =
                doc! {"$or": [{"_commits": {"$exists": true}}, {"_deleting": {"$exists": true}}]};
            left.extend(database.collection::<Document>(name).find_one(hidden).await.unwrap());
        }
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < patience, "left behind: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
