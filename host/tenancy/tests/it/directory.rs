//! Tenants are opened when they are asked for, follow their records, and are closed when nobody
//! asks any more.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingtalk_tenancy::{Directory, DirectoryConfig, OpenError, Opener, control::TenantRecord};
use tokio_util::sync::CancellationToken;

/// An open tenant: what it follows.
struct Open {
    release: Mutex<Option<String>>,
    busy: AtomicBool,
}

#[derive(Default)]
struct Figures {
    opened: AtomicUsize,
    closed: AtomicUsize,
    opening: AtomicUsize,
    most_opening: AtomicUsize,
    refuse: AtomicBool,
}

struct Fake(Arc<Figures>);

#[async_trait]
impl Opener for Fake {
    type Open = Open;

    async fn open(&self, record: &TenantRecord) -> Result<Open, OpenError> {
        let now = self.0.opening.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_opening.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.0.opening.fetch_sub(1, Ordering::SeqCst);
        if self.0.refuse.load(Ordering::SeqCst) {
            return Err(OpenError("its store is away".into()));
        }
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Open { release: Mutex::new(record.release.clone()), busy: AtomicBool::new(false) })
    }

    async fn follow(&self, open: &Open, record: &TenantRecord) -> Result<(), OpenError> {
        if self.0.refuse.load(Ordering::SeqCst) {
            return Err(OpenError("it does not start".into()));
        }
        open.release.lock().unwrap().clone_from(&record.release);
        Ok(())
    }

    async fn is_idle(&self, open: &Open) -> bool {
        !open.busy.load(Ordering::SeqCst)
    }

    async fn close(&self, _: Arc<Open>, _: Instant) {
        self.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

fn directory(config: DirectoryConfig) -> (Arc<Directory<Fake>>, Arc<Figures>) {
    let figures = Arc::new(Figures::default());
    (Directory::new(Fake(Arc::clone(&figures)), config), figures)
}

fn record(name: &str, release: &str) -> TenantRecord {
    TenantRecord {
        name: name.to_owned(),
        hosts: BTreeSet::from([format!("{name}.example.com")]),
        release: Some(release.to_owned()),
        ..TenantRecord::default()
    }
}

fn release_of(open: &Open) -> Option<String> {
    open.release.lock().unwrap().clone()
}

#[tokio::test]
async fn host_names_lead_to_tenants() {
    let (directory, figures) = directory(DirectoryConfig::default());
    let default = TenantRecord { hosts: BTreeSet::new(), ..record("default", "1") };
    directory.update(vec![default, record("shop", "1")]).await;
    let name = |host| directory.find(host).map(|entry| entry.record().name.clone());
    assert_eq!(name(Some("shop.example.com")).as_deref(), Some("shop"));
    assert_eq!(name(Some("SHOP.example.com")).as_deref(), Some("shop"));
    assert_eq!(name(Some("other.example.com")).as_deref(), Some("default"));
    assert_eq!(name(None).as_deref(), Some("default"));
    // A default tenant that has names of its own answers to those only.
    directory.update(vec![record("default", "1"), record("shop", "1")]).await;
    assert_eq!(name(Some("other.example.com")), None);
    assert_eq!(name(Some("default.example.com")).as_deref(), Some("default"));
    assert_eq!(figures.opened.load(Ordering::SeqCst), 0, "finding opens nothing");
}

#[tokio::test]
async fn requests_that_come_together_wait_for_one_opening() {
    let (directory, figures) =
        directory(DirectoryConfig { opening: 2, ..DirectoryConfig::default() });
    let records = (0..10).map(|number| record(&format!("t{number}"), "1")).collect();
    directory.update(records).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        for entry in directory.tenants() {
            let directory = Arc::clone(&directory);
            waiting.spawn(async move { directory.wake(&entry).await.map(|_| ()) });
        }
    }
    while let Some(woken) = waiting.join_next().await {
        woken.unwrap().unwrap();
    }
    assert_eq!(figures.opened.load(Ordering::SeqCst), 10);
    assert!(figures.most_opening.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_failed_opening_is_not_tried_at_each_request() {
    let retry = Duration::from_millis(100);
    let (directory, figures) = directory(DirectoryConfig { retry, ..DirectoryConfig::default() });
    directory.update(vec![record("shop", "1")]).await;
    let entry = directory.tenant("shop").unwrap();
    figures.refuse.store(true, Ordering::SeqCst);
    assert!(directory.wake(&entry).await.is_err());
    figures.refuse.store(false, Ordering::SeqCst);
    let refused = directory.wake(&entry).await.err().unwrap();
    assert_eq!(refused.to_string(), "its store is away");
    tokio::time::sleep(retry).await;
    directory.wake(&entry).await.unwrap();
    // A changed record is tried at once.
    directory.close(&entry, Instant::now()).await;
    figures.refuse.store(true, Ordering::SeqCst);
    assert!(directory.wake(&entry).await.is_err());
    figures.refuse.store(false, Ordering::SeqCst);
    directory.update(vec![record("shop", "2")]).await;
    let open = directory.wake(&entry).await.unwrap();
    assert_eq!(release_of(&open).as_deref(), Some("2"));
}

#[tokio::test]
async fn open_tenants_follow_and_those_that_could_not_try_again() {
    let (directory, figures) = directory(DirectoryConfig::default());
    directory.update(vec![record("shop", "1"), record("bank", "1")]).await;
    let shop = directory.wake(&directory.tenant("shop").unwrap()).await.unwrap();
    assert!(directory.update(vec![record("shop", "2"), record("bank", "2")]).await.is_empty());
    assert_eq!(release_of(&shop).as_deref(), Some("2"));
    assert_eq!(figures.opened.load(Ordering::SeqCst), 1, "a cold tenant stays cold");
    figures.refuse.store(true, Ordering::SeqCst);
    let failures = directory.update(vec![record("shop", "3"), record("bank", "3")]).await;
    assert_eq!(failures.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!(release_of(&shop).as_deref(), Some("2"), "it serves as before");
    figures.refuse.store(false, Ordering::SeqCst);
    // The same records again: only who lagged behind has something to do.
    assert!(directory.update(vec![record("shop", "3"), record("bank", "3")]).await.is_empty());
    assert_eq!(release_of(&shop).as_deref(), Some("3"));
}

#[tokio::test]
async fn a_removed_tenant_is_closed_and_not_opened_again() {
    let (directory, figures) = directory(DirectoryConfig::default());
    directory.update(vec![record("shop", "1")]).await;
    let entry = directory.tenant("shop").unwrap();
    directory.wake(&entry).await.unwrap();
    directory.update(Vec::new()).await;
    assert_eq!(figures.closed.load(Ordering::SeqCst), 1);
    assert!(directory.find(Some("shop.example.com")).is_none());
    // Somebody who found it just before.
    assert!(directory.wake(&entry).await.is_err());
}

#[tokio::test]
async fn idle_tenants_are_closed_and_busy_ones_stay() {
    let config = DirectoryConfig {
        idle: Duration::from_millis(50),
        sweep: Duration::from_millis(10),
        ..DirectoryConfig::default()
    };
    let (directory, figures) = directory(config);
    directory.update(vec![record("shop", "1"), record("bank", "1")]).await;
    for name in ["shop", "bank"] {
        let open = directory.wake(&directory.tenant(name).unwrap()).await.unwrap();
        open.busy.store(name == "bank", Ordering::SeqCst);
    }
    let stop = CancellationToken::new();
    let sweep = tokio::spawn(Arc::clone(&directory).sweep(stop.clone()));
    let limit = Instant::now() + Duration::from_secs(5);
    while figures.closed.load(Ordering::SeqCst) == 0 && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(directory.tenant("shop").unwrap().open().is_none());
    assert!(directory.tenant("bank").unwrap().open().is_some());
    // The next request opens it again.
    directory.wake(&directory.tenant("shop").unwrap()).await.unwrap();
    stop.cancel();
    sweep.await.unwrap();
}
