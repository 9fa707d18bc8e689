//! The control store on SQLite.

use std::collections::BTreeMap;

use bytes::Bytes;
use pingtalk_tenancy::control::{
    AuditEntry, Canary, ControlError, DeploymentRecord, Digest, Kind, ReleaseRecord, now,
};

use crate::support::store::store;

#[tokio::test]
async fn tenants_are_made_changed_listed_and_removed() {
    let (store, _directory) = store().await;
    let before = store.revision().await.unwrap();
    store.create_tenant("shop").await.unwrap();
    store.create_tenant("bank").await.unwrap();
    assert!(store.revision().await.unwrap() > before, "hosts must hear of it");
    let twice = store.create_tenant("shop").await;
    assert!(matches!(twice, Err(ControlError::Exists { what: "tenant", .. })), "{twice:?}");
    for wrong in ["", "Shop", "a/b", "..", "pingtalk-control", &"x".repeat(200)] {
        let answer = store.create_tenant(wrong).await;
        assert!(matches!(answer, Err(ControlError::Invalid(_))), "{wrong}: {answer:?}");
    }
    store
        .change_tenant("shop", |record| {
            record.variables.insert("colour".to_owned(), "red".to_owned());
            record.canary = Some(Canary { release: "abc".to_owned(), percent: 10 });
            Ok(())
        })
        .await
        .unwrap();
    let names: Vec<String> =
        store.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["bank", "shop"]);
    let shop = store.tenant("shop").await.unwrap();
    assert_eq!(shop.variables.get("colour").map(String::as_str), Some("red"));
    assert_eq!(shop.canary.map(|canary| canary.percent), Some(10));
    store.remove_tenant("bank").await.unwrap();
    let gone = store.tenant("bank").await;
    assert!(matches!(gone, Err(ControlError::NotFound { what: "tenant", .. })), "{gone:?}");
    assert!(store.remove_tenant("bank").await.is_err());
    assert!(store.change_tenant("bank", |_| Ok(())).await.is_err());
}

#[tokio::test]
async fn many_tenants_are_read_in_pages() {
    let (store, _directory) = store().await;
    for number in 0..1_100 {
        store.create_tenant(&format!("tenant-{number}")).await.unwrap();
    }
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.len(), 1_100);
    assert!(tenants.is_sorted_by(|a, b| a.name < b.name));
}

#[tokio::test]
async fn changes_at_once_are_all_kept() {
    let (store, _directory) = store().await;
    store.create_tenant("shop").await.unwrap();
    let changes = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .change_tenant("shop", |record| {
                    record.variables.insert(format!("v{number}"), number.to_string());
                    Ok(())
                })
                .await
        })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap().unwrap();
    }
    assert_eq!(store.tenant("shop").await.unwrap().variables.len(), 8);
    // A change that refuses changes nothing.
    let refused = store
        .change_tenant("shop", |record| {
            record.variables.clear();
            Err(ControlError::Invalid("no".to_owned()))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(store.tenant("shop").await.unwrap().variables.len(), 8);
}

#[tokio::test]
async fn a_host_name_leads_to_one_tenant() {
    let (store, _directory) = store().await;
    store.create_tenant("shop").await.unwrap();
    store.create_tenant("bank").await.unwrap();
    let shop = store.claim_host("shop", "Chat.Example.com").await.unwrap();
    assert!(shop.hosts.contains("chat.example.com"));
    store.claim_host("shop", "chat.example.com").await.unwrap();
    let taken = store.claim_host("bank", "chat.example.com").await;
    assert!(
        matches!(&taken, Err(ControlError::HostTaken { tenant, .. }) if tenant == "shop"),
        "{taken:?}"
    );
    assert!(store.claim_host("bank", "not a host").await.is_err());
    assert!(store.claim_host("nobody", "a.example.com").await.is_err());
    assert!(store.release_host("bank", "chat.example.com").await.is_err());
    store.release_host("shop", "chat.example.com").await.unwrap();
    store.claim_host("bank", "chat.example.com").await.unwrap();
    // A tenant that goes frees its names.
    store.remove_tenant("bank").await.unwrap();
    store.claim_host("shop", "chat.example.com").await.unwrap();
}

#[tokio::test]
async fn artifacts_come_back_whole_or_not_at_all() {
    let (store, _directory) = store().await;
    // More than two pieces.
    let bytes: Bytes = (0..9_000_000_u32).map(|n| (n.wrapping_mul(31) >> 7) as u8).collect();
    let digest = Digest::of(&bytes);
    assert!(!store.has_artifact(&digest).await.unwrap());
    assert!(matches!(store.artifact(&digest).await, Err(ControlError::NotFound { .. })));
    store.put_artifact(&digest, &bytes).await.unwrap();
    store.put_artifact(&digest, &bytes).await.unwrap();
    assert_eq!(store.artifact(&digest).await.unwrap(), bytes);
    let too_large = Bytes::from(vec![0; 64 * 1024 * 1024 + 1]);
    let refused = store.put_artifact(&Digest::of(b"x"), &too_large).await;
    assert!(matches!(refused, Err(ControlError::Invalid(_))));
    // Bytes that are not what their digest says are not handed out.
    let wrong = Digest::of(b"something else");
    store.put_artifact(&wrong, &Bytes::from_static(b"this")).await.unwrap();
    assert!(matches!(store.artifact(&wrong).await, Err(ControlError::Damaged(_))));
}

#[tokio::test]
async fn releases_deployments_and_audit_are_a_history() {
    let (store, _directory) = store().await;
    let components = BTreeMap::from([("hello".to_owned(), Digest::of(b"1"))]);
    let release = ReleaseRecord {
        tenant: "shop".to_owned(),
        id: ReleaseRecord::id_of("m", &components),
        manifest: "m".to_owned(),
        components,
        created_at: 7,
        created_by: "ann".to_owned(),
    };
    store.add_release(&release).await.unwrap();
    // The first record stays.
    let again = ReleaseRecord { created_by: "bob".to_owned(), ..release.clone() };
    store.add_release(&again).await.unwrap();
    assert_eq!(store.release("shop", &release.id).await.unwrap(), release);
    assert_eq!(store.releases("shop").await.unwrap(), std::slice::from_ref(&release));
    assert!(store.releases("bank").await.unwrap().is_empty());
    assert!(store.release("bank", &release.id).await.is_err(), "another tenant's release");
    for number in 1..=3 {
        let record = DeploymentRecord {
            tenant: "shop".to_owned(),
            number: 0,
            release: release.id.clone(),
            kind: Kind::Deploy,
            at: now(),
            by: "ann".to_owned(),
        };
        assert_eq!(store.add_deployment(&record).await.unwrap(), number);
    }
    let numbers: Vec<i64> =
        store.deployments("shop").await.unwrap().iter().map(|record| record.number).collect();
    assert_eq!(numbers, [3, 2, 1]);
    for (tenant, detail) in [("shop", "a"), ("bank", "b"), ("shop", &*"c".repeat(9_000))] {
        let entry = AuditEntry {
            number: 0,
            at: now(),
            by: "ann".to_owned(),
            address: "127.0.0.1".to_owned(),
            action: "tenant.change".to_owned(),
            tenant: tenant.to_owned(),
            detail: detail.to_owned(),
            outcome: "ok".to_owned(),
        };
        store.audit(entry).await.unwrap();
    }
    let log = store.audit_log(None, 10).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.number).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(log.first().unwrap().detail.len() <= 500, "texts are bounded");
    assert_eq!(store.audit_log(Some("bank"), 10).await.unwrap().len(), 1);
    assert_eq!(store.audit_log(None, 1).await.unwrap().len(), 1);
}
