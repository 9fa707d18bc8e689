//! What was acknowledged survives a SIGKILL at any moment: the document, its event, their order.
//!
//! The process that is killed is this test binary again, running the ignored test `child`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bson::{Bson, Document, doc};
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Collection, Condition, Direction, DocumentStore, Filter, Index, NewEvent, Operation, Query,
        Sequence, SortKey, Test, Transaction, Value, Write,
    },
};
use pingtalk_documents_sqlite::{Config, SqliteDocuments};

const FOLDER: &str = "PINGTALK_KILL_TEST_FOLDER";
const ROUNDS: u64 = 6;

async fn open(folder: &Path) -> DocumentStore {
    let unique = |fields: &[&str]| Index {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        unique: true,
        sparse: false,
    };
    let collection = Collection {
        database: "db".to_owned(),
        name: "c".to_owned(),
        indexes: vec![unique(&["group", "seq"])],
    };
    let backend = SqliteDocuments::new(Config::new(folder));
    backend.open(&TenantId::default_tenant(), &[collection]).await.unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn commit(name: &str) -> Transaction {
    let sequence = Sequence { field: "seq".to_owned(), within: vec!["group".to_owned()] };
    let document = doc! {"_id": name, "group": 1}.to_vec().unwrap().into();
    Transaction {
        id: name.to_owned(),
        writes: vec![Write {
            database: "db".to_owned(),
            collection: "c".to_owned(),
            operation: Operation::Insert { document, sequence: Some(sequence) },
        }],
        events: vec![NewEvent { topic: "t".to_owned(), payload: name.to_owned().into() }],
    }
}

/// Commits as fast as it can from several tasks and says what was acknowledged.
#[test]
#[ignore = "the process that the other test kills"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&folder)).await;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let tasks = (0..6).map(|task| {
            let documents = store.documents.clone();
            tokio::spawn(async move {
                for at in 0.. {
                    let name = format!("{started}-{task}-{at}");
                    documents.commit(commit(&name), soon()).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "\nack {name}").unwrap();
                    out.flush().unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

/// Runs a child until it has acknowledged a few commits and for a while more, kills it, and returns
/// what it had acknowledged.
fn run_and_kill(folder: &Path, extra: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (acknowledge, acknowledged) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if let Some(name) = line.strip_prefix("ack ") {
                acknowledge.send(name.to_owned()).unwrap();
            }
        }
    });
    let patience = Duration::from_secs(30);
    let mut names: Vec<String> =
        (0..15).map(|_| acknowledged.recv_timeout(patience).expect("commits")).collect();
    std::thread::sleep(extra);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    names.extend(acknowledged);
    // The kill may have cut the last line.
    names.pop();
    names
}

fn number(document: &Document) -> i64 {
    document.get("seq").and_then(Bson::as_i64).unwrap()
}

#[test]
fn acknowledged_commits_survive_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let extra = Duration::from_millis(20 * round + u64::from(nanos / 1_000) % 120);
        acknowledged.extend(run_and_kill(folder.path(), extra));
    }

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stored, events) = runtime.block_on(async {
        let store = open(folder.path()).await;
        // A commit repeated after all that is still known.
        let again = store.documents.commit(commit(&acknowledged[0]), soon()).await.unwrap();
        assert_eq!(again.len(), 1);
        (all_documents(&store).await, all_events(&store).await)
    });
    let ids: HashMap<&str, i64> =
        stored.iter().map(|it| (it.get_str("_id").unwrap(), number(it))).collect();
    assert_eq!(ids.len(), stored.len(), "each document once");
    for name in &acknowledged {
        assert!(ids.contains_key(name.as_str()), "{name} was acknowledged and is lost");
    }
    assert_eq!(events.len(), stored.len(), "one event for each document, acknowledged or not");
    assert_eq!(events.iter().collect::<HashSet<_>>().len(), events.len(), "each event once");
    let order: Vec<i64> = events.iter().map(|name| ids[name.as_str()]).collect();
    let gapless: Vec<i64> = (1..).take(events.len()).collect();
    assert_eq!(order, gapless, "events wait in commit order, numbers have no gap");
}

/// Everything, page by page.
async fn all_documents(store: &DocumentStore) -> Vec<Document> {
    let mut found: Vec<Document> = Vec::new();
    loop {
        let after = Value::Int64(found.last().map_or(0, number));
        let condition = |path: &str, test| Condition { path: path.to_owned(), test };
        let query = Query {
            filter: Filter {
                any_of: vec![vec![
                    condition("group", Test::Eq(Value::Int32(1))),
                    condition("seq", Test::Gt(after)),
                ]],
            },
            sort: vec![SortKey { path: "seq".to_owned(), direction: Direction::Ascending }],
            limit: 1_000,
            ..Query::default()
        };
        let page = store.documents.find("db", "c", query, soon()).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page.iter().map(|it| Document::from_reader(&it[..]).unwrap()));
    }
}

/// The outbox, page by page.
async fn all_events(store: &DocumentStore) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = store.outbox.unpublished(1_000).await.unwrap();
        if page.is_empty() {
            return found;
        }
        let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
        found.extend(page.iter().map(|it| text(&it.event.payload)));
        store.outbox.published(page.iter().map(|it| it.position.clone()).collect()).await.unwrap();
    }
}
