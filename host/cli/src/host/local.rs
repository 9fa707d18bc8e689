//! The application in the current directory as the default tenant's release.
//!
//! Files are deployed when they changed since this host last looked, or when the default tenant has
//! no release at all. So what was deployed through the admin API stays in force over a restart, and
//! of several hosts one that restarts with the same old files does not take a newer release back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use pingtalk_capabilities::TenantId;
use pingtalk_tenancy::{
    control::{ControlError, ControlStore, DeploymentRecord, Digest, Kind, ReleaseRecord, now},
    deploy::{Deployer, Deployment, Report},
};

use crate::loading::Application;

const TENANT: &str = TenantId::DEFAULT;
/// Who deploys files.
const BY: &str = "files";

/// Makes sure that the default tenant exists and runs the application, if that is news.
pub(super) async fn install(
    store: &ControlStore,
    application: &Application,
    files: &BTreeMap<String, Bytes>,
    data: &Path,
) -> Result<()> {
    let digests = digests(files).await?;
    let id = ReleaseRecord::id_of(&application.text, &digests);
    let seen = seen_file(data);
    let last = tokio::fs::read_to_string(&seen).await.ok();
    let record = match store.tenant(TENANT).await {
        Ok(record) => record,
        Err(ControlError::NotFound { .. }) => match store.create_tenant(TENANT).await {
            // Another host may have been faster.
            Ok(_) | Err(ControlError::Exists { .. }) => store.tenant(TENANT).await?,
            Err(error) => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    let known = match &last {
        Some(last) => last.trim() == id,
        // A host that is new here leaves what others put in force.
        None => store.release(TENANT, &id).await.is_ok(),
    };
    if let Some(current) = &record.release
        && (known || *current == id)
    {
        if *current != id {
            tracing::info!(
                release = %current,
                files = %id,
                "a release that was deployed later than these files is in force"
            );
        }
        return remember(&seen, &id).await;
    }
    upload(store, &digests, files).await?;
    let release = ReleaseRecord {
        tenant: TENANT.to_owned(),
        id: id.clone(),
        manifest: application.text.clone(),
        components: digests,
        created_at: now(),
        created_by: BY.to_owned(),
    };
    store.add_release(&release).await?;
    store
        .change_tenant(TENANT, |record| {
            record.release = Some(id.clone());
            record.canary = None;
            Ok(())
        })
        .await?;
    let deployment = DeploymentRecord {
        tenant: TENANT.to_owned(),
        number: 0,
        release: id.clone(),
        kind: Kind::Deploy,
        at: now(),
        by: BY.to_owned(),
    };
    store.add_deployment(&deployment).await?;
    remember(&seen, &id).await
}

/// Deploys the files to a running host: everything is checked before clients see it.
pub(super) async fn deploy(
    store: &ControlStore,
    deployer: &Deployer,
    application: &Application,
    files: &BTreeMap<String, Bytes>,
    data: &Path,
) -> Result<Report> {
    let components = digests(files).await?;
    upload(store, &components, files).await?;
    let deployment = Deployment {
        manifest: Some(application.text.clone()),
        components,
        ..Deployment::default()
    };
    let report = deployer.deploy(TENANT, &deployment, BY).await?;
    remember(&seen_file(data), &report.release).await?;
    Ok(report)
}

async fn digests(files: &BTreeMap<String, Bytes>) -> Result<BTreeMap<String, Digest>> {
    let files = files.clone();
    let digests = tokio::task::spawn_blocking(move || {
        files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect()
    });
    Ok(digests.await?)
}

async fn upload(
    store: &ControlStore,
    digests: &BTreeMap<String, Digest>,
    files: &BTreeMap<String, Bytes>,
) -> Result<()> {
    for (name, digest) in digests {
        let bytes = files.get(name).context("a component without its file")?;
        store.put_artifact(digest, bytes).await?;
    }
    Ok(())
}

/// Which release of files this host saw last.
fn seen_file(data: &Path) -> PathBuf {
    data.join("local-release")
}

async fn remember(file: &Path, id: &str) -> Result<()> {
    tokio::fs::write(file, id).await.with_context(|| file.display().to_string())
}
