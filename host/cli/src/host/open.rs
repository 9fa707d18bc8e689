//! How this host opens tenants: from a record to everything that runs for it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use pingtalk_capabilities::TenantId;
use pingtalk_manifest::Manifest;
use pingtalk_tenancy::{
    ComponentMaximum, OpenError, Opener,
    control::{ControlKey, TenantBudgets, TenantRecord},
    deploy::{LoadedRelease, Loader},
};

use super::{
    compose::Backends,
    cores::Spawner,
    tenant::{OpenTenant, open_error},
};
use crate::config::{Config, generated};

/// A file that stands in a tenant's folder while it is open.
const MARK: &str = "open";

/// Opens tenants.
pub(crate) struct TenantOpener {
    pub(super) config: Config,
    pub(super) backends: Backends,
    pub(super) loader: Arc<Loader>,
    pub(super) key: ControlKey,
    pub(super) cores: Spawner,
}

impl TenantOpener {
    pub(super) fn tenant_id(&self, name: &str) -> Result<TenantId> {
        Ok(TenantId::new(name)?)
    }

    /// Loads one of a tenant's releases.
    pub(super) async fn load(
        &self,
        record: &TenantRecord,
        release: Option<&str>,
    ) -> Result<LoadedRelease> {
        let release =
            release.with_context(|| format!("the tenant `{}` has no release yet", record.name))?;
        Ok(self.loader.load(&record.name, release).await?)
    }

    /// The values of a release's variables. The default tenant's are the configuration's too, and
    /// its secrets that nobody set lie in the data directory.
    pub(super) fn variables(
        &self,
        record: &TenantRecord,
        manifest: &Manifest,
    ) -> Result<BTreeMap<String, String>> {
        let mut values = pingtalk_tenancy::values(&self.key, record)?;
        if !self.tenant_id(&record.name)?.is_default() {
            return Ok(values);
        }
        for (name, secret) in &self.config.variables {
            values.insert(name.clone(), secret.expose().to_owned());
        }
        for (name, variable) in &manifest.variables {
            if variable.secret && variable.default.is_none() && !values.contains_key(name) {
                let secret = generated(&self.config.data.join("secrets"), name)?;
                tracing::info!(variable = %name, "not set: using the secret kept in the data directory");
                values.insert(name.clone(), secret.expose().to_owned());
            }
        }
        Ok(values)
    }

    /// What a tenant may use. The default one is the operator's own: it has no bounds but those that
    /// were set for it.
    pub(super) fn budgets(&self, record: &TenantRecord) -> TenantBudgets {
        match record.name == TenantId::DEFAULT {
            true => record.budgets,
            false => record.budgets.or(self.config.tenant_budgets).or(TenantBudgets::modest()),
        }
    }

    /// The most that a component of a tenant may have; none for the default tenant, whose manifest is
    /// the operator's own.
    pub(super) fn maximum(&self, tenant: &TenantId) -> Option<&ComponentMaximum> {
        (!tenant.is_default()).then_some(&self.config.component_maximum)
    }

    /// The origins that browsers may call a tenant from.
    pub(super) fn origins(&self, record: &TenantRecord, manifest: &Manifest) -> Vec<String> {
        let own = self.config.origins.as_ref().filter(|_| record.name == TenantId::DEFAULT);
        own.unwrap_or(&manifest.application.host.cors_origins).clone()
    }

    /// The file that marks a tenant as open.
    fn mark(&self, tenant: &str) -> PathBuf {
        self.config.data.join("tenants").join(tenant).join(MARK)
    }

    /// Tenants that were open when this host ended, and may have events on their way.
    pub(super) fn marked(&self) -> Vec<String> {
        let Ok(folders) = std::fs::read_dir(self.config.data.join("tenants")) else {
            return Vec::new();
        };
        let names = folders.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| self.mark(name).exists()).collect()
    }
}

#[async_trait]
impl Opener for TenantOpener {
    type Open = OpenTenant;

    async fn open(&self, record: &TenantRecord) -> Result<OpenTenant, OpenError> {
        let mark = self.mark(&record.name);
        if let Some(folder) = mark.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            let marked = match made {
                Ok(()) => tokio::fs::write(&mark, b"").await,
                Err(error) => Err(error),
            };
            marked.map_err(|error| OpenError(format!("{}: {error}", mark.display()).into()))?;
        }
        OpenTenant::open(self, record).await.map_err(|error| open_error(&error))
    }

    async fn follow(&self, open: &OpenTenant, record: &TenantRecord) -> Result<(), OpenError> {
        open.follow(self, record).await.map_err(|error| open_error(&error))
    }

    async fn is_idle(&self, open: &OpenTenant) -> bool {
        // The default tenant has ports and files of its own, and answers for every other name.
        !open.tenant().id().is_default() && open.is_idle().await
    }

    async fn close(&self, open: Arc<OpenTenant>, deadline: Instant) {
        // Asked now: later the stores are closed.
        let nothing_left = open.is_idle().await;
        let name = open.tenant().id().clone();
        open.close(deadline).await;
        if nothing_left {
            // It may be gone; at worst the tenant is opened once too often.
            let _ = tokio::fs::remove_file(self.mark(name.as_str())).await;
        }
    }
}
