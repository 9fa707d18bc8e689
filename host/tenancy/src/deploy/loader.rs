//! Releases by their records: the manifest read, the components compiled or taken from the cache.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use futures_util::future::try_join_all;
use pingtalk_capabilities::TenantId;
use pingtalk_manifest::Manifest;
use pingtalk_runtime::{Component, Engine, Pace};
use sha2::{Digest as _, Sha256};

use super::DeployError;
use crate::control::{ControlStore, Digest, ReleaseRecord};

/// A release, ready to be assembled for its tenant.
#[derive(Clone)]
pub struct LoadedRelease {
    /// Its id.
    pub id: String,
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// The components, by name.
    pub components: BTreeMap<String, Arc<Component>>,
}

/// Loads releases. Tenants that run the same share what is loaded.
pub struct Loader {
    engine: Arc<Engine>,
    store: ControlStore,
    manifests: Mutex<HashMap<[u8; 32], Weak<Manifest>>>,
}

impl Loader {
    /// A loader from this store.
    #[must_use]
    pub fn new(engine: Arc<Engine>, store: ControlStore) -> Self {
        Self { engine, store, manifests: Mutex::default() }
    }

    /// The engine it compiles with.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The store it loads from.
    #[must_use]
    pub fn store(&self) -> &ControlStore {
        &self.store
    }

    /// Loads a release of a tenant.
    ///
    /// # Errors
    /// When there is none, it can't be read, or a component does not compile.
    pub async fn load(&self, tenant: &str, id: &str) -> Result<LoadedRelease, DeployError> {
        let record = self.store.release(tenant, id).await?;
        self.load_record(&record).await
    }

    /// Loads what a record says.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub async fn load_record(&self, record: &ReleaseRecord) -> Result<LoadedRelease, DeployError> {
        let manifest = self.manifest(&record.manifest)?;
        let load = record.components.iter().map(|(name, digest)| async move {
            Ok::<_, DeployError>((
                name.clone(),
                self.component(&record.tenant, name, digest).await?,
            ))
        });
        let components = try_join_all(load).await?.into_iter().collect();
        Ok(LoadedRelease { id: record.id.clone(), manifest, components })
    }

    /// Loads one component for a tenant.
    ///
    /// # Errors
    /// When its bytes are not there, or it does not compile.
    pub async fn component(
        &self,
        tenant: &str,
        name: &str,
        digest: &Digest,
    ) -> Result<Arc<Component>, DeployError> {
        if let Some(component) = self.engine.recall(name, digest.as_str()).await {
            return Ok(component);
        }
        let bytes = self.store.artifact(digest).await?;
        let pace = if tenant == TenantId::DEFAULT { Pace::Eager } else { Pace::Gentle };
        Ok(self.engine.load(name, bytes, pace, &|_| {}).await?)
    }

    /// Reads a manifest, or takes the one that another tenant uses.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn manifest(&self, text: &str) -> Result<Arc<Manifest>, DeployError> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let manifests = || self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = manifests().get(&digest).and_then(Weak::upgrade) {
            return Ok(manifest);
        }
        let manifest = Manifest::parse("spin.toml", text)
            .map_err(|findings| DeployError::Manifest(findings.to_string()))?;
        let manifest = Arc::new(manifest.for_this_host());
        let mut manifests = manifests();
        manifests.retain(|_, manifest| manifest.strong_count() > 0);
        manifests.insert(digest, Arc::downgrade(&manifest));
        Ok(manifest)
    }
}
