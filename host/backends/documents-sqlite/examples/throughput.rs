//! Measures the store beside raw SQLite on the same disk, in one run:
//! `cargo run --release -p pingtalk-documents-sqlite --example throughput [seconds each]`.
//!
//! A commit here is what a chat message costs: an insert with a sequence number into a collection with
//! two indexes, an update of the chat, and an event. The raw figure is one INSERT of the same
//! bytes in a transaction of its own, synced as strictly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bson::doc;
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Change, Collection, Condition, DocumentError, DocumentStore, Filter, Index, NewEvent,
        Operation, Query, Sequence, Test, Transaction, Value, Write,
    },
};
use pingtalk_documents_sqlite::{Config, SqliteDocuments};

/// How often each figure is taken; the median counts. The rounds alternate, so that what else the
/// machine does meets all figures alike.
const ROUNDS: usize = 5;
/// Documents that are read, and raw rows.
const KEYS: i32 = 50;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let each = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir_in(".").unwrap();
    let raw = raw_open(&folder.path().join("raw.sqlite"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(open(folder.path()));
    let mut figures: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..ROUNDS {
        let mut add = |label: String, rate: f64| match figures
            .iter_mut()
            .find(|(known, _)| *known == label)
        {
            Some((_, rates)) => rates.push(rate),
            None => figures.push((label, vec![rate])),
        };
        add("raw insert, synced".to_owned(), raw_inserts(&raw, each));
        for callers in [1, 16, 64] {
            let rate = runtime.block_on(commits(&store, callers, each));
            add(format!("commit, {callers} callers"), rate);
        }
        add("raw select by key".to_owned(), raw_reads(&raw, each));
        for callers in [1, 16, 64] {
            let rate = runtime.block_on(reads(&store, callers, each));
            add(format!("find_one by _id, {callers} callers"), rate);
        }
    }
    let mut raw = 1.0;
    for (label, mut rates) in figures {
        rates.sort_by(f64::total_cmp);
        let median = rates[ROUNDS / 2];
        if label.starts_with("raw") {
            raw = median;
        }
        println!("{label:30} {median:9.0}/s {:6.2} x raw", median / raw);
    }
}

fn raw_open(path: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute("CREATE TABLE t (row INTEGER PRIMARY KEY, body BLOB)", []).unwrap();
    for _ in 0..KEYS {
        connection.execute("INSERT INTO t (body) VALUES (zeroblob(250))", []).unwrap();
    }
    connection
}

fn raw_inserts(connection: &rusqlite::Connection, each: Duration) -> f64 {
    let body = vec![7_u8; 250];
    rate(each, || {
        connection
            .prepare_cached("INSERT INTO t (body) VALUES (?1)")
            .unwrap()
            .execute([&body])
            .unwrap();
    })
}

fn raw_reads(connection: &rusqlite::Connection, each: Duration) -> f64 {
    let mut row = 0;
    rate(each, || {
        row = row % KEYS + 1;
        let mut statement = connection.prepare_cached("SELECT body FROM t WHERE row = ?1").unwrap();
        let body: Vec<u8> = statement.query_row([row], |row| row.get(0)).unwrap();
        assert_eq!(body.len(), 250);
    })
}

fn rate(each: Duration, mut step: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut steps = 0_u32;
    while start.elapsed() < each {
        step();
        steps += 1;
    }
    f64::from(steps) / start.elapsed().as_secs_f64()
}

async fn open(folder: &std::path::Path) -> DocumentStore {
    let index = |fields: &[&str], unique| Index {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        unique,
        sparse: false,
    };
    let collection = |name: &str, indexes| Collection {
        database: "chatDB".to_owned(),
        name: name.to_owned(),
        indexes,
    };
    let collections = [
        collection("messages", vec![index(&["chatId", "seq"], true), index(&["senderId"], false)]),
        collection("chats", vec![index(&["participants", "updatedAt"], false)]),
    ];
    let backend = SqliteDocuments::new(Config::new(folder));
    let store = backend.open(&TenantId::default_tenant(), &collections).await.unwrap();
    for chat in 0..KEYS {
        let chat = doc! {"_id": chat, "participants": [chat, chat + 1], "updatedAt": 0_i64};
        let insert = Operation::Insert { document: chat.to_vec().unwrap().into(), sequence: None };
        let writes = vec![write("chats", insert)];
        let id = bson::oid::ObjectId::new().to_hex();
        let commit = Transaction { id, writes, events: vec![] };
        store.documents.commit(commit, soon()).await.unwrap();
    }
    store
}

fn write(collection: &str, operation: Operation) -> Write {
    Write { database: "chatDB".to_owned(), collection: collection.to_owned(), operation }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn by_id(id: i32) -> Filter {
    let condition = Condition { path: "_id".to_owned(), test: Test::Eq(Value::Int32(id)) };
    Filter { any_of: vec![vec![condition]] }
}

fn message(at: u64) -> Transaction {
    let chat = i32::try_from(at % 50).unwrap();
    let message =
        doc! {"chatId": chat, "senderId": chat, "text": "x".repeat(150), "readBy": [chat]};
    let sequence = Sequence { field: "seq".to_owned(), within: vec!["chatId".to_owned()] };
    let insert =
        Operation::Insert { document: message.to_vec().unwrap().into(), sequence: Some(sequence) };
    let now = Change::Set("updatedAt".to_owned(), Value::Int64(at.cast_signed()));
    let update = Operation::Update { filter: by_id(chat), changes: vec![now], upsert: false };
    Transaction {
        id: bson::oid::ObjectId::new().to_hex(),
        writes: vec![write("messages", insert), write("chats", update)],
        events: vec![NewEvent { topic: "chat.message".to_owned(), payload: "{}".into() }],
    }
}

async fn commits(store: &DocumentStore, callers: usize, each: Duration) -> f64 {
    concurrent(store, callers, each, async |store, at| {
        store.documents.commit(message(at), soon()).await.map(drop)
    })
    .await
}

async fn reads(store: &DocumentStore, callers: usize, each: Duration) -> f64 {
    concurrent(store, callers, each, async |store, at| {
        let filter = by_id(i32::try_from(at % 50).unwrap());
        let query = Query { filter, ..Query::default() };
        store.documents.find_one("chatDB", "chats", query, soon()).await.map(drop)
    })
    .await
}

async fn concurrent<F>(store: &DocumentStore, callers: usize, each: Duration, call: F) -> f64
where
    F: AsyncFn(&DocumentStore, u64) -> Result<(), DocumentError>,
{
    let done = AtomicU64::new(0);
    let start = Instant::now();
    let one = async || {
        while start.elapsed() < each {
            call(store, done.fetch_add(1, Ordering::Relaxed)).await.unwrap();
        }
    };
    futures_util::future::join_all((0..callers).map(|_| one())).await;
    let done = done.into_inner();
    #[allow(clippy::cast_precision_loss)]
    let done = done as f64;
    done / start.elapsed().as_secs_f64()
}
