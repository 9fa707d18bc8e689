//! The steps of a deployment, a rollback and a trial.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use pingtalk_capabilities::TenantId;
use serde::{Deserialize, Serialize};

use super::{
    DeployError,
    changes::Changes,
    check, closed,
    loader::{LoadedRelease, Loader},
    signature,
};
use crate::{
    assemble,
    control::{
        Canary, ControlError, ControlKey, ControlStore, DeploymentRecord, Digest, Kind,
        ReleaseRecord, TenantRecord, now,
    },
    directory::OpenError,
    maximum::ComponentMaximum,
    variables,
};

/// What to deploy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deployment {
    /// The manifest's text; none: that of the release in force.
    pub manifest: Option<String>,
    /// Components by name, uploaded before; those that are not named are those of the release in
    /// force.
    pub components: BTreeMap<String, Digest>,
    /// Signatures (Ed25519, Base64) of components by name, and of the manifest as `spin.toml`.
    pub signatures: BTreeMap<String, String>,
    /// Serve this share of the calls (1 to 99 %) and leave the release before in force.
    pub canary: Option<u8>,
    /// Check and report only.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The tenant.
    pub tenant: String,
    /// The release.
    pub release: String,
    /// The release that was in force before.
    pub before: Option<String>,
    /// What it changes.
    pub changes: Changes,
    /// What will not be as the manifest says until the host is restarted, or deserves a look.
    pub warnings: Vec<String>,
    /// False for a dry run, and when this release was in force already.
    pub deployed: bool,
}

/// Brings this host in line with the control store, and says which tenants could not follow.
#[async_trait]
pub trait Switch: Send + Sync {
    /// Does it now.
    async fn switch(&self) -> Result<Vec<(String, OpenError)>, ControlError>;
}

#[async_trait]
impl<O: crate::directory::Opener> Switch for crate::follow::Follower<O> {
    async fn switch(&self) -> Result<Vec<(String, OpenError)>, ControlError> {
        self.look().await
    }
}

/// Deploys releases.
pub struct Deployer {
    loader: Arc<Loader>,
    key: ControlKey,
    maximum: ComponentMaximum,
    switch: Arc<dyn Switch>,
}

/// A release that was checked and can be put in force.
pub struct Plan {
    record: ReleaseRecord,
    report: Report,
}

impl Plan {
    /// What it would do.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Deployer {
    /// A deployer whose releases come into force here through `switch`. No component of a tenant but
    /// the default one gets more than `maximum`.
    #[must_use]
    pub fn new(
        loader: Arc<Loader>,
        key: ControlKey,
        maximum: ComponentMaximum,
        switch: Arc<dyn Switch>,
    ) -> Self {
        Self { loader, key, maximum, switch }
    }

    fn maximum(&self, tenant: &TenantId) -> Option<&ComponentMaximum> {
        (!tenant.is_default()).then_some(&self.maximum)
    }

    fn store(&self) -> &ControlStore {
        self.loader.store()
    }

    /// Brings this host in line with the control store now. Returns the tenants that could not
    /// follow.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn follow(&self) -> Result<Vec<(String, OpenError)>, ControlError> {
        self.switch.switch().await
    }

    /// What one release of a tenant changes against another.
    ///
    /// # Errors
    /// When there is no such release, or it can't be read any more.
    pub async fn diff(&self, tenant: &str, from: &str, to: &str) -> Result<Changes, DeployError> {
        let (from, to) = (self.loader.load(tenant, from), self.loader.load(tenant, to));
        let (from, to) = futures_util::future::try_join(from, to).await?;
        Ok(Changes::between(Some(&from), &to))
    }

    /// Checks a deployment and says what it changes.
    ///
    /// # Errors
    /// Everything that speaks against it.
    pub async fn plan(
        &self,
        tenant: &str,
        deployment: &Deployment,
        by: &str,
    ) -> Result<Plan, DeployError> {
        if let Some(percent) = deployment.canary
            && !(1..=99).contains(&percent)
        {
            let problem = format!("`canary` is a share of 1 to 99 percent, but is {percent}");
            return Err(ControlError::Invalid(problem).into());
        }
        let tenant_record = self.store().tenant(tenant).await?;
        if deployment.canary.is_some() && tenant_record.release.is_none() {
            let problem = "a trial runs beside a release in force: deploy without `canary` first";
            return Err(ControlError::Invalid(problem.to_owned()).into());
        }
        let before = match &tenant_record.release {
            Some(id) => Some(self.store().release(tenant, id).await?),
            None => None,
        };
        let record = compose(tenant, deployment, before.as_ref(), by, &self.loader)?;
        if deployment.canary.is_some() && tenant_record.release.as_ref() == Some(&record.id) {
            let problem = "this release is in force: there is nothing to try";
            return Err(ControlError::Invalid(problem.to_owned()).into());
        }
        let manifest = self.loader.manifest(&record.manifest)?;
        check::allowed(&tenant_record, self.maximum(&tenant_id(tenant)?), &manifest)?;
        self.verify(&tenant_record, deployment, before.as_ref(), &record).await?;
        let after = self.loader.load_record(&record).await?;
        let before = match before {
            Some(before) => Some(self.loader.load_record(&before).await?),
            None => None,
        };
        self.prove(&tenant_record, &after).await?;
        let changes = Changes::between(before.as_ref(), &after);
        let report = Report {
            tenant: tenant.to_owned(),
            release: record.id.clone(),
            before: before.as_ref().map(|before| before.id.clone()),
            warnings: warnings(before.as_ref(), &after),
            changes,
            deployed: false,
        };
        Ok(Plan { record, report })
    }

    /// Checks a deployment and, unless it is a dry run, puts it in force.
    ///
    /// # Errors
    /// As [`Deployer::plan`], and when the release does not come up on this host.
    pub async fn deploy(
        &self,
        tenant: &str,
        deployment: &Deployment,
        by: &str,
    ) -> Result<Report, DeployError> {
        let Plan { record, mut report } = self.plan(tenant, deployment, by).await?;
        let in_force = deployment.canary.is_none() && report.before.as_ref() == Some(&record.id);
        if deployment.dry_run || in_force {
            return Ok(report);
        }
        self.store().add_release(&record).await?;
        // The default tenant's secrets are the host's own (its configuration, its data directory):
        // one made here would take their place and end every session.
        if !tenant_id(tenant)?.is_default() {
            let manifest = self.loader.manifest(&record.manifest)?;
            variables::fill_secrets(self.store(), &self.key, tenant, &manifest).await?;
        }
        let (kind, id) = (deployment.canary.map_or(Kind::Deploy, |_| Kind::Canary), record.id);
        let canary = deployment.canary.map(|percent| Canary { release: id.clone(), percent });
        self.put_in_force(tenant, &id, kind, by, |record| {
            if canary.is_some() {
                record.canary.clone_from(&canary);
            } else {
                record.release = Some(id.clone());
                record.canary = None;
            }
            Ok(())
        })
        .await?;
        report.deployed = true;
        Ok(report)
    }

    /// Takes an earlier release back: the named one, else the one in force before this one.
    ///
    /// # Errors
    /// When there is none, or it does not come up.
    pub async fn rollback(
        &self,
        tenant: &str,
        to: Option<&str>,
        by: &str,
    ) -> Result<String, DeployError> {
        let record = self.store().tenant(tenant).await?;
        let id = match to {
            Some(id) => self.store().release(tenant, id).await?.id,
            None => self.previous(&record).await?,
        };
        self.put_in_force(tenant, &id, Kind::Rollback, by, |record| {
            record.release = Some(id.clone());
            record.canary = None;
            Ok(())
        })
        .await?;
        Ok(id)
    }

    /// Ends a trial: the release on trial comes into force, or is taken away.
    ///
    /// # Errors
    /// When there is none, or it does not come up.
    pub async fn end_trial(
        &self,
        tenant: &str,
        promote: bool,
        by: &str,
    ) -> Result<String, DeployError> {
        let record = self.store().tenant(tenant).await?;
        let trial = record.canary.ok_or_else(|| ControlError::NotFound {
            what: "release on trial of the tenant",
            name: tenant.to_owned(),
        })?;
        let kind = if promote { Kind::Promote } else { Kind::Abort };
        let id = trial.release.clone();
        self.put_in_force(tenant, &id, kind, by, |record| {
            if record.canary.as_ref() != Some(&trial) {
                return Err(ControlError::Busy(record.name.clone()));
            }
            record.canary = None;
            if promote {
                record.release = Some(trial.release.clone());
            }
            Ok(())
        })
        .await?;
        Ok(id)
    }

    /// The release that was in force before the current one.
    async fn previous(&self, record: &TenantRecord) -> Result<String, DeployError> {
        let deployments = self.store().deployments(&record.name).await?;
        let previous = deployments
            .into_iter()
            .filter(|deployment| !matches!(deployment.kind, Kind::Canary | Kind::Abort))
            .find(|deployment| Some(&deployment.release) != record.release.as_ref());
        let missing = || ControlError::NotFound {
            what: "earlier release of the tenant",
            name: record.name.clone(),
        };
        Ok(previous.ok_or_else(missing)?.release)
    }

    /// Changes the record and follows it here; what does not come up is taken back.
    async fn put_in_force(
        &self,
        tenant: &str,
        id: &str,
        kind: Kind,
        by: &str,
        change: impl Fn(&mut TenantRecord) -> Result<(), ControlError> + Send + Sync,
    ) -> Result<(), DeployError> {
        let before = self.store().tenant(tenant).await?;
        let after = self.store().change_tenant(tenant, &change).await?;
        let failures = self.switch.switch().await?;
        if let Some((_, error)) = failures.into_iter().find(|(name, _)| name == tenant) {
            self.store()
                .change_tenant(tenant, |record| {
                    // Unless somebody has put another one in force meanwhile.
                    if record.release == after.release && record.canary == after.canary {
                        record.release.clone_from(&before.release);
                        record.canary.clone_from(&before.canary);
                    }
                    Ok(())
                })
                .await?;
            self.switch.switch().await?;
            return Err(DeployError::TakenBack(error));
        }
        let record = DeploymentRecord {
            tenant: tenant.to_owned(),
            number: 0,
            release: id.to_owned(),
            kind,
            at: now(),
            by: by.to_owned(),
        };
        self.store().add_deployment(&record).await?;
        tracing::info!(tenant, release = id, ?kind, by, "release in force");
        Ok(())
    }

    /// Checks the signatures of what is new.
    async fn verify(
        &self,
        tenant: &TenantRecord,
        deployment: &Deployment,
        before: Option<&ReleaseRecord>,
        after: &ReleaseRecord,
    ) -> Result<(), DeployError> {
        if tenant.signers.is_empty() {
            return Ok(());
        }
        let signature = |name: &str| deployment.signatures.get(name).map(String::as_str);
        let unsigned = |what: String| move |why| DeployError::Unsigned { what, why };
        if before.is_none_or(|before| before.manifest != after.manifest) {
            signature::verify(&tenant.signers, after.manifest.as_bytes(), signature("spin.toml"))
                .map_err(unsigned("the manifest".to_owned()))?;
        }
        for (name, digest) in &after.components {
            if before.is_some_and(|before| before.components.get(name) == Some(digest)) {
                continue;
            }
            let bytes = self.store().artifact(digest).await?;
            signature::verify(&tenant.signers, &bytes, signature(name))
                .map_err(unsigned(format!("component `{name}`")))?;
        }
        Ok(())
    }

    /// Links and starts every component of a release, behind capabilities that are all away.
    async fn prove(
        &self,
        tenant: &TenantRecord,
        release: &LoadedRelease,
    ) -> Result<(), DeployError> {
        let id = tenant_id(&tenant.name)?;
        let values = variables::values(&self.key, tenant)?;
        assemble::release(
            self.loader.engine(),
            &release.manifest,
            &release.components,
            &closed::backends(),
            &assemble::Owner {
                tenant: &id,
                release: &release.id,
                quota: &Arc::default(),
                maximum: self.maximum(&id),
            },
            |name| {
                let set = values.get(name).cloned();
                // A secret that is not set yet is made when the release comes into force.
                let secret = release.manifest.variables.get(name).is_some_and(|v| v.secret);
                set.or_else(|| secret.then(String::new))
            },
        )
        .await?;
        Ok(())
    }
}

fn tenant_id(name: &str) -> Result<TenantId, ControlError> {
    TenantId::new(name).map_err(|error| ControlError::Invalid(error.to_string()))
}

/// The release that a deployment makes: what it brings, and what stays.
fn compose(
    tenant: &str,
    deployment: &Deployment,
    before: Option<&ReleaseRecord>,
    by: &str,
    loader: &Loader,
) -> Result<ReleaseRecord, DeployError> {
    let text = deployment.manifest.as_ref().or(before.map(|before| &before.manifest));
    let text = text.ok_or_else(|| {
        ControlError::Invalid("the first deployment of a tenant needs a manifest".to_owned())
    })?;
    let manifest = loader.manifest(text)?;
    if let Some(unknown) =
        deployment.components.keys().find(|name| !manifest.components.contains_key(*name))
    {
        return Err(DeployError::UnknownComponent(unknown.clone()));
    }
    let mut components = BTreeMap::new();
    for name in manifest.components.keys() {
        let kept = before.and_then(|before| before.components.get(name));
        let digest = deployment.components.get(name).or(kept);
        let digest = digest.ok_or_else(|| DeployError::MissingComponent(name.clone()))?;
        components.insert(name.clone(), digest.clone());
    }
    Ok(ReleaseRecord {
        tenant: tenant.to_owned(),
        id: ReleaseRecord::id_of(text, &components),
        manifest: text.clone(),
        components,
        created_at: now(),
        created_by: by.to_owned(),
    })
}

/// What a switch can't change under connected sockets.
fn warnings(before: Option<&LoadedRelease>, after: &LoadedRelease) -> Vec<String> {
    let Some(before) = before else { return Vec::new() };
    let sockets = |release: &LoadedRelease| {
        let served = release.manifest.components.values().map(|component| &component.host.sockets);
        served.filter(|sockets| sockets.serve).cloned().collect::<Vec<_>>()
    };
    let mut warnings = Vec::new();
    if sockets(before) != sockets(after) {
        warnings.push(
            "the sockets' namespaces, times or paths differ: they hold from the tenant's next \
             opening on, because its connected sockets stay"
                .to_owned(),
        );
    }
    warnings
}
