//! The backends by themselves, through the traits the host calls them by: the embedded ones, and
//! beside them in the same rounds the production ones whose servers the environment names
//! (`PINGTALK_TEST_MONGODB`, `PINGTALK_TEST_REDIS`, `PINGTALK_TEST_RABBITMQ`).
//!
//! FerretDB, which `cargo xtask servers` starts in MongoDB's place, scans where MongoDB uses an
//! index and lets one write through at a time: its figures say what the protocol costs in round
//! trips, not what MongoDB does.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use futures_util::future::try_join_all;
use pingtalk_capabilities::{
    TenantId,
    cache::{Cache, CacheBackend},
    documents::{
        Change, Collection, Condition, DocumentStore, DocumentsBackend, Filter, Index, NewEvent,
        ObjectId, Operation, Query, Sequence, Test, Transaction, Value, Write,
    },
    events::{Disposition, Event, Events, EventsBackend, Queue, Retry},
};
use tempfile::TempDir;

#[derive(Args)]
pub(crate) struct Options {
    /// Callers at once.
    #[arg(long, default_value_t = 32)]
    callers: usize,
    /// Seconds for each backend in each round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Rounds over all backends; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// One backend under one kind of work.
struct Subject {
    work: &'static str,
    backend: &'static str,
    target: Target,
}

enum Target {
    Commit(DocumentStore),
    FindOne(DocumentStore, ObjectId),
    Cache(Arc<dyn Cache>),
    Events(Arc<dyn Events>),
}

/// What one round of one subject gave.
struct Round {
    rate: f64,
    median: Duration,
    p99: Duration,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let data = TempDir::new()?;
    let subjects = open(data.path()).await?;
    let time = Duration::from_secs(options.seconds);
    let mut rounds: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for (subject, measured) in subjects.iter().zip(&mut rounds) {
            let result = measure(&subject.target, options.callers, time)
                .await
                .with_context(|| format!("{} on {}", subject.work, subject.backend))?;
            // The first round warms up.
            if round > 0 {
                measured.push(result);
            }
        }
    }
    println!(
        "\n| {} callers | backend | per second | relative | p50 (us) | p99 (us) |",
        options.callers
    );
    println!("|---|---|---|---|---|---|");
    let mut base = ("", 1.0);
    for (subject, mut measured) in subjects.iter().zip(rounds) {
        measured.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let Some(middle) = measured.get(measured.len() / 2) else { continue };
        if base.0 != subject.work {
            base = (subject.work, middle.rate);
        }
        println!(
            "| {} | {} | {:.0} | {:.2} | {} | {} |",
            subject.work,
            subject.backend,
            middle.rate,
            middle.rate / base.1,
            middle.median.as_micros(),
            middle.p99.as_micros()
        );
    }
    Ok(())
}

/// Every backend there is a server for. For each kind of work the embedded one comes first.
async fn open(data: &Path) -> Result<Vec<Subject>> {
    let server = |name: &str| std::env::var(format!("PINGTALK_TEST_{name}")).ok();
    let tenant = tenant()?;
    let mut documents: Vec<(&'static str, Arc<dyn DocumentsBackend>)> = vec![(
        "SQLite",
        pingtalk_documents_sqlite::SqliteDocuments::new(pingtalk_documents_sqlite::Config::new(
            data,
        )),
    )];
    if let Some(uri) = server("MONGODB") {
        let config = pingtalk_documents_mongodb::Config::new(uri);
        documents
            .push(("MongoDB's protocol", pingtalk_documents_mongodb::MongoDocuments::new(config)?));
    }
    let mut caches: Vec<(&'static str, Arc<dyn CacheBackend>)> = vec![(
        "memory",
        pingtalk_cache_memory::MemoryCache::new(pingtalk_cache_memory::Config::default()),
    )];
    if let Some(url) = server("REDIS") {
        let config = pingtalk_redis_connection::Config::new(&url)?;
        let redis = pingtalk_redis_connection::Redis::new(config);
        let config = pingtalk_cache_redis::Config::default();
        caches.push(("Redis", pingtalk_cache_redis::RedisCache::new(redis, config)));
    }
    let mut queues: Vec<(&'static str, Arc<dyn EventsBackend>)> = vec![(
        "SQLite",
        pingtalk_events_sqlite::SqliteEvents::new(pingtalk_events_sqlite::Config::new(data)),
    )];
    if let Some(url) = server("RABBITMQ") {
        let config = pingtalk_events_rabbitmq::Config::new(url);
        queues.push(("RabbitMQ", pingtalk_events_rabbitmq::RabbitEvents::new(config)));
    }

    let mut subjects = Vec::new();
    let mut stores = Vec::new();
    for (backend, documents) in documents {
        stores.push((backend, documents.open(&tenant, &collections()).await?));
    }
    for (backend, store) in &stores {
        let target = Target::Commit(store.clone());
        subjects.push(Subject { work: "commit (message, chat, event)", backend, target });
    }
    for (backend, store) in stores {
        let id = new_id();
        commit(&store, id).await?;
        let target = Target::FindOne(store, id);
        subjects.push(Subject { work: "find one by id", backend, target });
    }
    for (backend, caches) in caches {
        let target = Target::Cache(caches.open(&tenant).await?);
        subjects.push(Subject { work: "cache: set, then get", backend, target });
    }
    for (backend, queues) in queues {
        let queue = Queue {
            name: QUEUE.to_owned(),
            topics: vec![TOPIC.to_owned()],
            retry: Retry::default(),
        };
        let target = Target::Events(queues.open(&tenant, &[queue]).await?);
        subjects.push(Subject { work: "event: publish, deliver, settle", backend, target });
    }
    Ok(subjects)
}

async fn measure(target: &Target, callers: usize, time: Duration) -> Result<Round> {
    match target {
        Target::Commit(store) => {
            let round = drive(callers, time, || commit(store, new_id())).await;
            forget_events(store).await?;
            round
        }
        Target::FindOne(store, id) => {
            let query = || Query { filter: by_id(*id), limit: 1, ..Query::default() };
            let find = || async {
                let deadline = soon();
                let found = store.documents.find_one(DATABASE, MESSAGES, query(), deadline).await?;
                found.map(drop).context("not found")
            };
            drive(callers, time, find).await
        }
        Target::Cache(cache) => {
            let value = Bytes::from(vec![b'x'; 500]);
            let call = || async {
                let key = format!("bench:{}", next() % 1_000);
                cache.set(&key, value.clone(), Duration::from_secs(60), false).await?;
                cache.get(&key).await?.map(drop).context("not cached")
            };
            drive(callers, time, call).await
        }
        Target::Events(events) => {
            // Each caller publishes one and handles whichever comes next.
            let call = || async {
                events.publish(vec![event()]).await?;
                let delivery = events.next(QUEUE).await?;
                delivery.settle(Disposition::Done).await?;
                anyhow::Ok(())
            };
            drive(callers, time, call).await
        }
    }
}

/// Calls again and again from so many callers at once until the time is over.
async fn drive<F>(callers: usize, time: Duration, call: impl Fn() -> F) -> Result<Round>
where
    F: Future<Output = Result<()>>,
{
    let started = Instant::now();
    let caller = || async {
        let mut times = Vec::new();
        while started.elapsed() < time {
            let began = Instant::now();
            call().await?;
            times.push(began.elapsed());
        }
        anyhow::Ok(times)
    };
    let mut times: Vec<Duration> =
        try_join_all((0..callers).map(|_| caller())).await?.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Ok(Round { rate: times.len() as f64 / elapsed.as_secs_f64(), median: at(50), p99: at(99) })
}

const DATABASE: &str = "benchDB";
const MESSAGES: &str = "messages";
const CHATS: &str = "chats";
const QUEUE: &str = "bench";
const TOPIC: &str = "bench.happened";

fn collections() -> Vec<Collection> {
    let collection = |name: &str, indexes| Collection {
        database: DATABASE.to_owned(),
        name: name.to_owned(),
        indexes,
    };
    let numbered =
        Index { fields: vec!["chatId".to_owned(), "seq".to_owned()], unique: true, sparse: true };
    vec![collection(MESSAGES, vec![numbered]), collection(CHATS, vec![])]
}

/// What a chat message does: a numbered document, a change of its chat, here with an event too.
async fn commit(store: &DocumentStore, id: ObjectId) -> Result<()> {
    let number = next();
    let chat = i32::try_from(number % 100)?;
    let message = bson::doc! {
        "_id": bson::oid::ObjectId::from_bytes(id.0), "chatId": chat, "text": "x".repeat(100),
    };
    let write = |collection: &str, operation| Write {
        database: DATABASE.to_owned(),
        collection: collection.to_owned(),
        operation,
    };
    let sequence = Sequence { field: "seq".to_owned(), within: vec!["chatId".to_owned()] };
    let transaction = Transaction {
        id: format!("{:x}-{number}", run_id()),
        writes: vec![
            write(
                MESSAGES,
                Operation::Insert { document: message.to_vec()?.into(), sequence: Some(sequence) },
            ),
            write(
                CHATS,
                Operation::Update {
                    filter: all(Condition {
                        path: "_id".to_owned(),
                        test: Test::Eq(Value::Int32(chat)),
                    }),
                    changes: vec![Change::Set("lastMessage".to_owned(), Value::Id(id))],
                    upsert: true,
                },
            ),
        ],
        events: vec![NewEvent { topic: TOPIC.to_owned(), payload: Bytes::from_static(b"{}") }],
    };
    store.documents.commit(transaction, soon()).await?;
    Ok(())
}

/// The relay's part, so that the outbox does not grow from round to round.
async fn forget_events(store: &DocumentStore) -> Result<()> {
    loop {
        let found = store.outbox.unpublished(256).await?;
        if found.is_empty() {
            return Ok(());
        }
        store.outbox.published(found.into_iter().map(|entry| entry.position).collect()).await?;
    }
}

fn event() -> Event {
    Event {
        id: format!("{:x}-{}", run_id(), next()),
        topic: TOPIC.to_owned(),
        payload: Bytes::from_static(b"{\"userId\":\"65f0c0ffee65f0c0ffee65f0\"}"),
        attempt: 0,
        published_at: 1_700_000_000_000,
    }
}

fn by_id(id: ObjectId) -> Filter {
    all(Condition { path: "_id".to_owned(), test: Test::Eq(Value::Id(id)) })
}

fn all(condition: Condition) -> Filter {
    Filter { any_of: vec![vec![condition]] }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn new_id() -> ObjectId {
    ObjectId(bson::oid::ObjectId::new().bytes())
}

/// Tells this run's data from others' on the same servers.
fn run_id() -> u128 {
    static RUN: std::sync::OnceLock<u128> = std::sync::OnceLock::new();
    *RUN.get_or_init(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
    })
}

fn tenant() -> Result<TenantId> {
    Ok(TenantId::new(&format!("bench-{:x}", run_id()))?)
}
