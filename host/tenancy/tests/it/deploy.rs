//! Deployments of real guests: what is refused, what is reported, what comes into force.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use pingtalk_runtime::{Engine, EngineConfig};
use pingtalk_tenancy::{
    ComponentMaximum, OpenError,
    control::{ControlError, ControlStore, Digest, Kind},
    deploy::{DeployError, Deployer, Deployment, Loader, Switch},
    values,
};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use tempfile::TempDir;

use crate::support::{
    guests,
    store::{key, store},
};

/// A host that follows, unless it is told that a release does not come up there.
#[derive(Default)]
struct Host {
    fails: Mutex<Option<String>>,
    store: Mutex<Option<ControlStore>>,
}

#[async_trait]
impl Switch for Host {
    async fn switch(&self) -> Result<Vec<(String, OpenError)>, ControlError> {
        let (fails, store) =
            (self.fails.lock().unwrap().clone(), self.store.lock().unwrap().clone());
        let current = store.unwrap().tenant("shop").await?.release;
        if fails.is_some() && fails == current {
            return Ok(vec![("shop".to_owned(), OpenError("no memory left".into()))]);
        }
        Ok(Vec::new())
    }
}

struct Setting {
    deployer: Deployer,
    store: ControlStore,
    host: Arc<Host>,
    _directory: TempDir,
}

async fn setting() -> Setting {
    let (store, directory) = store().await;
    store.create_tenant("shop").await.unwrap();
    let engine = Engine::new(EngineConfig {
        cache_dir: Some(directory.path().join("compiled")),
        ..EngineConfig::default()
    })
    .unwrap();
    let host = Arc::new(Host::default());
    *host.store.lock().unwrap() = Some(store.clone());
    let loader = Arc::new(Loader::new(engine, store.clone()));
    let deployer =
        Deployer::new(loader, key(), ComponentMaximum::default(), Arc::clone(&host) as _);
    Setting { deployer, store, host, _directory: directory }
}

fn manifest(more: &str) -> String {
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"shop\"\nversion = \"1.0.0\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"hello\"\n\
         [component.hello]\nsource = \"hello.wasm\"\n{more}"
    )
}

impl Setting {
    async fn upload(&self, bytes: &Bytes) -> Digest {
        let digest = Digest::of(bytes);
        self.store.put_artifact(&digest, bytes).await.unwrap();
        digest
    }

    /// A deployment of this component under a manifest.
    async fn deployment(&self, manifest: &str, bytes: &Bytes) -> Deployment {
        Deployment {
            manifest: Some(manifest.to_owned()),
            components: BTreeMap::from([("hello".to_owned(), self.upload(bytes).await)]),
            ..Deployment::default()
        }
    }
}

#[tokio::test]
async fn a_release_comes_into_force_and_goes_back() {
    let it = setting().await;
    let hello = guests::read("hello");
    let first = it.deployment(&manifest(""), &hello).await;
    let dry = Deployment { dry_run: true, ..first.clone() };
    let report = it.deployer.deploy("shop", &dry, "ann").await.unwrap();
    assert!(!report.deployed);
    assert_eq!(it.store.tenant("shop").await.unwrap().release, None);
    let report = it.deployer.deploy("shop", &first, "ann").await.unwrap();
    assert!(report.deployed);
    assert_eq!(it.store.tenant("shop").await.unwrap().release.as_ref(), Some(&report.release));
    let change = report.changes.components.first().unwrap();
    assert!(change.before.is_none() && change.imports_added.iter().any(|i| i.contains("wasi")));
    // The same again is no deployment.
    assert!(!it.deployer.deploy("shop", &first, "ann").await.unwrap().deployed);

    // One component alone; the manifest stays.
    let newer = Deployment {
        components: BTreeMap::from([(
            "hello".to_owned(),
            it.upload(&guests::variant(&hello, 1)).await,
        )]),
        ..Deployment::default()
    };
    let second = it.deployer.deploy("shop", &newer, "bob").await.unwrap();
    assert_eq!(second.before.as_ref(), Some(&report.release));
    assert!(second.changes.granted.is_empty(), "{:?}", second.changes);

    // Back, and back again is forward.
    let back = it.deployer.rollback("shop", None, "ann").await.unwrap();
    assert_eq!(back, report.release);
    let forward = it.deployer.rollback("shop", None, "ann").await.unwrap();
    assert_eq!(forward, second.release);
    let named = it.deployer.rollback("shop", Some(&report.release), "ann").await.unwrap();
    assert_eq!(named, report.release);
    assert!(it.deployer.rollback("shop", Some("0123456789ab"), "ann").await.is_err());
    let kinds: Vec<Kind> =
        it.store.deployments("shop").await.unwrap().iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Rollback, Kind::Rollback, Kind::Rollback, Kind::Deploy, Kind::Deploy]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_anything_changes() {
    let it = setting().await;
    let hello = guests::read("hello");
    let refused = |deployment: Deployment| {
        let deployer = &it.deployer;
        async move { deployer.deploy("shop", &deployment, "ann").await.unwrap_err() }
    };
    let good = it.deployment(&manifest(""), &hello).await;

    let error = refused(Deployment { manifest: None, ..good.clone() }).await;
    assert!(error.to_string().contains("needs a manifest"), "{error}");
    let error = refused(Deployment { manifest: Some("spin".to_owned()), ..good.clone() }).await;
    assert!(matches!(error, DeployError::Manifest(_)), "{error}");
    let error = refused(Deployment { components: BTreeMap::new(), ..good.clone() }).await;
    assert!(matches!(error, DeployError::MissingComponent(_)), "{error}");
    let mut more = good.clone();
    more.components.insert("other".to_owned(), Digest::of(b"x"));
    let error = refused(more).await;
    assert!(matches!(error, DeployError::UnknownComponent(_)), "{error}");
    let mut absent = good.clone();
    absent.components.insert("hello".to_owned(), Digest::of(b"never uploaded"));
    let error = refused(absent).await;
    assert!(matches!(error, DeployError::Control(ControlError::NotFound { .. })), "{error}");
    for percent in [0, 100, 200] {
        let error = refused(Deployment { canary: Some(percent), ..good.clone() }).await;
        assert!(error.to_string().contains("1 to 99"), "{error}");
    }
    // Not a component at all.
    let error =
        refused(it.deployment(&manifest(""), &Bytes::from_static(b"\0asm rubbish")).await).await;
    assert!(matches!(error, DeployError::Load(_)), "{error}");
    // It imports documents and sockets, and is granted neither.
    let error = refused(it.deployment(&manifest(""), &guests::read("probe")).await).await;
    assert!(error.to_string().contains("import"), "{error}");
    // Addresses need the operator's word.
    let private = manifest("allowed_outbound_hosts = [\"http://127.0.0.1:6379\"]\n");
    let error = refused(it.deployment(&private, &hello).await).await;
    assert!(matches!(error, DeployError::NotAllowed(_)), "{error}");
    let unknown = it.deployer.deploy("bank", &good, "ann").await.unwrap_err();
    assert!(matches!(unknown, DeployError::Control(ControlError::NotFound { .. })), "{unknown}");

    assert_eq!(it.store.tenant("shop").await.unwrap().release, None);
    assert!(it.store.releases("shop").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tenant_with_signers_takes_signed_releases_only() {
    let it = setting().await;
    let pair = Ed25519KeyPair::from_pkcs8(
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref(),
    )
    .unwrap();
    let signer = STANDARD.encode(pair.public_key());
    it.store
        .change_tenant("shop", |record| {
            record.signers = BTreeSet::from([signer.clone()]);
            Ok(())
        })
        .await
        .unwrap();
    let sign = |bytes: &[u8]| STANDARD.encode(pair.sign(bytes));
    let (text, hello) = (manifest(""), guests::read("hello"));
    let mut deployment = it.deployment(&text, &hello).await;
    let error = it.deployer.deploy("shop", &deployment, "ann").await.unwrap_err();
    assert!(matches!(error, DeployError::Unsigned { .. }), "{error}");
    deployment.signatures.insert("spin.toml".to_owned(), sign(text.as_bytes()));
    deployment.signatures.insert("hello".to_owned(), sign(b"other bytes"));
    let error = it.deployer.deploy("shop", &deployment, "ann").await.unwrap_err();
    assert!(error.to_string().contains("`hello`"), "{error}");
    deployment.signatures.insert("hello".to_owned(), sign(&hello));
    assert!(it.deployer.deploy("shop", &deployment, "ann").await.unwrap().deployed);
}

#[tokio::test]
async fn a_trial_is_promoted_or_ended() {
    let it = setting().await;
    let hello = guests::read("hello");
    let first = it.deployment(&manifest(""), &hello).await;
    let first = it.deployer.deploy("shop", &first, "ann").await.unwrap().release;
    assert!(it.deployer.end_trial("shop", true, "ann").await.is_err(), "there is none");
    let mut trial = it.deployment(&manifest(""), &guests::variant(&hello, 2)).await;
    trial.canary = Some(10);
    let second = it.deployer.deploy("shop", &trial, "ann").await.unwrap().release;
    let record = it.store.tenant("shop").await.unwrap();
    assert_eq!(record.release.as_ref(), Some(&first));
    assert_eq!(
        record.canary.as_ref().map(|c| (c.release.as_str(), c.percent)),
        Some((&*second, 10))
    );
    it.deployer.end_trial("shop", false, "ann").await.unwrap();
    let record = it.store.tenant("shop").await.unwrap();
    assert_eq!((record.release, record.canary), (Some(first.clone()), None));
    it.deployer.deploy("shop", &trial, "ann").await.unwrap();
    it.deployer.end_trial("shop", true, "ann").await.unwrap();
    let record = it.store.tenant("shop").await.unwrap();
    assert_eq!((record.release, record.canary), (Some(second), None));
    // Back from a promoted trial is what was in force before it.
    assert_eq!(it.deployer.rollback("shop", None, "ann").await.unwrap(), first);
}

#[tokio::test]
async fn a_release_that_does_not_come_up_is_taken_back() {
    let it = setting().await;
    let hello = guests::read("hello");
    let first = it.deployment(&manifest(""), &hello).await;
    let first = it.deployer.deploy("shop", &first, "ann").await.unwrap().release;
    let second = it.deployment(&manifest(""), &guests::variant(&hello, 3)).await;
    let planned = it.deployer.plan("shop", &second, "ann").await.unwrap().report().release.clone();
    *it.host.fails.lock().unwrap() = Some(planned);
    let error = it.deployer.deploy("shop", &second, "ann").await.unwrap_err();
    assert!(matches!(error, DeployError::TakenBack(_)), "{error}");
    assert_eq!(it.store.tenant("shop").await.unwrap().release, Some(first));
    assert_eq!(it.store.deployments("shop").await.unwrap().len(), 1);
}

#[tokio::test]
async fn secrets_nobody_set_are_made_once() {
    let it = setting().await;
    let text = format!(
        "{}[component.hello.variables]\ntoken = \"{{{{ token }}}}\"\n[variables]\ntoken = {{ required = true, secret = true }}\n",
        manifest("")
    );
    let hello = guests::read("hello");
    let deployment = it.deployment(&text, &hello).await;
    it.deployer.deploy("shop", &deployment, "ann").await.unwrap();
    let record = it.store.tenant("shop").await.unwrap();
    let made = values(&key(), &record).unwrap().get("token").cloned().unwrap();
    assert_eq!(made.len(), 64);
    assert!(!format!("{record:?}").contains(&made), "a secret shows in Debug");
    let next = it.deployment(&text, &guests::variant(&hello, 4)).await;
    it.deployer.deploy("shop", &next, "ann").await.unwrap();
    let record = it.store.tenant("shop").await.unwrap();
    assert_eq!(values(&key(), &record).unwrap().get("token"), Some(&made));
}
