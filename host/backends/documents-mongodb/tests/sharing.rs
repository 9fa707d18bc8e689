//! A database shared with the original's services: their indexes serve, their documents are read,
//! and nobody sees the store's own fields.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::{IndexModel, options::IndexOptions};
use pingtalk_capabilities::documents::{
    Change, Collection, Condition, DocumentError, Filter, Index, Operation, Outcome, Query, Test,
    Transaction, Value, Write,
};
use pingtalk_contract::{servers::mongodb, tenant};
use pingtalk_documents_mongodb::{Config, MongoDocuments};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn auths(unique: &[&str]) -> Vec<Collection> {
    let index =
        |field: &&str| Index { fields: vec![(*field).to_owned()], unique: true, sparse: false };
    let indexes = unique.iter().map(index).collect();
    vec![Collection { database: "authDB".to_owned(), name: "auths".to_owned(), indexes }]
}

fn everything() -> Filter {
    Filter { any_of: vec![vec![]] }
}

fn update(id: &str) -> Transaction {
    let condition =
        Condition { path: "emailId".to_owned(), test: Test::Eq(Value::Text("a@b.c".to_owned())) };
    let operation = Operation::Update {
        filter: Filter { any_of: vec![vec![condition]] },
        changes: vec![Change::Increment("n".to_owned(), 1)],
        upsert: false,
    };
    let write = Write { database: "authDB".to_owned(), collection: "auths".to_owned(), operation };
    Transaction { id: id.to_owned(), writes: vec![write], events: vec![] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_indexes_serve_and_stay() {
    let tenant = tenant();
    let client = mongodb::Client::with_uri_str(mongodb()).await.unwrap();
    let database = client.database(&format!("t_{tenant}_authDB"));
    let theirs = database.collection::<Document>("auths");
    let options = IndexOptions::builder().unique(true).name("emailId_1".to_owned()).build();
    let model = IndexModel::builder().keys(doc! {"emailId": 1}).options(options).build();
    theirs.create_index(model).await.unwrap();
    let backend = MongoDocuments::new(Config::new(mongodb())).unwrap();
    for declared in [&["emailId"][..], &["emailId", "other"], &[]] {
        let names = {
            backend.open(&tenant, &auths(declared)).await.unwrap();
            theirs.list_index_names().await.unwrap()
        };
        assert!(names.contains(&"emailId_1".to_owned()), "{declared:?}: {names:?}");
        let ours = names.iter().filter(|name| name.starts_with("pingtalk_")).count();
        assert_eq!(ours, usize::from(declared.len() == 2), "{declared:?}: {names:?}");
    }
    database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_in_their_data_are_named() {
    let tenant = tenant();
    let client = mongodb::Client::with_uri_str(mongodb()).await.unwrap();
    let database = client.database(&format!("t_{tenant}_authDB"));
    let theirs = database.collection::<Document>("auths");
    theirs.insert_many([doc! {"emailId": "a@b.c"}, doc! {"emailId": "a@b.c"}]).await.unwrap();
    let backend = MongoDocuments::new(Config::new(mongodb())).unwrap();
    let refused = backend.open(&tenant, &auths(&["emailId"])).await.map(drop);
    let Err(DocumentError::Conflict(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("authDB.auths") && text.contains("emailId"), "{text}");
    assert!(!text.contains("a@b.c"), "no data in the message: {text}");
    database.drop().await.unwrap();
}

/// Also while a commit's marker is still in the document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_own_fields_are_never_seen() {
    let tenant = tenant();
    let client = mongodb::Client::with_uri_str(mongodb()).await.unwrap();
    let database = client.database(&format!("t_{tenant}_authDB"));
    let theirs = database.collection::<Document>("auths");
    let before = doc! {"_id": 1, "emailId": "a@b.c", "n": 1, "_commits": ["another#0"]};
    let doomed = doc! {"_id": 2, "emailId": "gone", "_deleting": "another#1"};
    theirs.insert_many([before, doomed]).await.unwrap();
    let backend = MongoDocuments::new(Config::new(mongodb())).unwrap();
    let documents = backend.open(&tenant, &auths(&[])).await.unwrap().documents;
    let seen = |bytes: &[u8]| Document::from_reader(bytes).unwrap();
    let find = async |include: &[&str], exclude: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let (include, exclude) = (own(include), own(exclude));
        let query = Query { filter: everything(), limit: 9, include, exclude, ..Query::default() };
        let found = documents.find("authDB", "auths", query, soon()).await?;
        Ok::<Vec<Document>, DocumentError>(found.iter().map(|it| seen(it)).collect())
    };
    let whole = doc! {"_id": 1, "emailId": "a@b.c", "n": 1};
    assert_eq!(find(&[], &[]).await, Ok(vec![whole]));
    assert_eq!(find(&["n"], &[]).await, Ok(vec![doc! {"_id": 1, "n": 1}]));
    assert_eq!(find(&[], &["emailId"]).await, Ok(vec![doc! {"_id": 1, "n": 1}]));
    assert!(matches!(find(&["_commits"], &[]).await, Err(DocumentError::Invalid(_))));
    assert_eq!(documents.count("authDB", "auths", everything(), 9, soon()).await, Ok(1));
    let outcomes = documents.commit(update("one"), soon()).await.unwrap();
    let Outcome::Updated(after) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(seen(after), doc! {"_id": 1, "emailId": "a@b.c", "n": 2});
    // What is another commit's stays.
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let found = theirs.find_one(doc! {"_id": 1}).await.unwrap().unwrap();
        let markers = found.get_array("_commits").unwrap();
        if markers.len() == 1 {
            assert_eq!(markers[0].as_str(), Some("another#0"));
            break;
        }
        assert!(Instant::now() < patience, "{markers:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.drop().await.unwrap();
}
