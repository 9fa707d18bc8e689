//! Puts a release together: a manifest's grants in front of a tenant's backends, linked to compiled
//! components.
//!
//! A component that imports what it was not granted, or doesn't export what the manifest says it
//! serves, is refused here, before any call reaches it.

use std::{collections::BTreeMap, sync::Arc};

use pingtalk_capabilities::{
    TenantId,
    blobs::Blobs,
    cache::Cache,
    documents::{self, Documents},
    events,
    grants::{
        Access, DocumentGrant, DocumentGrants, GrantedBlobs, GrantedCache, GrantedDocuments,
        GrantedSockets,
    },
    sockets::Sockets,
};
use pingtalk_manifest::{self as manifest, Budgets, Manifest};
use pingtalk_runtime::{
    Capabilities, Component, Engine, Instances, Limits, LoadError, Names, OutboundPolicy, Quota,
    Variables,
};

use crate::{maximum::ComponentMaximum, release::Release, service::Service};

/// One tenant's backends, opened.
#[derive(Clone)]
pub struct Backends {
    /// Documents.
    pub documents: Arc<dyn Documents>,
    /// Cache.
    pub cache: Arc<dyn Cache>,
    /// Blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Sockets.
    pub sockets: Arc<dyn Sockets>,
}

/// Why a release can't be assembled. Final: the manifest or a component must change.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The manifest names a component whose file was not loaded.
    #[error("component `{0}` is in the manifest but was not loaded")]
    Missing(String),
    /// It does not link or start.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A route, queue or socket endpoint leads to a component that does not export the handler.
    #[error("component `{component}` does not export `{export}`, which {wanted_by} needs")]
    NotExported {
        /// The component.
        component: String,
        /// The missing interface.
        export: &'static str,
        /// Which line of the manifest wants it.
        wanted_by: &'static str,
    },
    /// It asks for more memory than any component can have on this host.
    #[error("component `{component}`: its budget `memory` is above this host's {most} bytes")]
    Memory {
        /// The component.
        component: String,
        /// The most there is, in bytes.
        most: usize,
    },
    /// A variable without a value.
    #[error("component `{component}`: {missing}: set it in pingtalk.toml under [variables]")]
    Variable {
        /// The component.
        component: String,
        /// The variable.
        missing: manifest::MissingVariable,
    },
}

/// Whom a release is assembled for.
pub struct Owner<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// What the release is known by.
    pub release: &'a str,
    /// The tenant's account, which all its releases share.
    pub quota: &'a Arc<Quota>,
    /// The most that a component may have; none: what its manifest says.
    pub maximum: Option<&'a ComponentMaximum>,
}

/// Links every component of a manifest and proves that each starts.
///
/// `variable` gives the operator's values.
///
/// # Errors
/// See [`AssembleError`].
pub async fn release(
    engine: &Arc<Engine>,
    manifest: &Manifest,
    components: &BTreeMap<String, Arc<Component>>,
    backends: &Backends,
    owner: &Owner<'_>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Release, AssembleError> {
    let mut services: BTreeMap<String, Arc<dyn Service>> = BTreeMap::new();
    for (component_name, declared) in &manifest.components {
        let component = components
            .get(component_name)
            .ok_or_else(|| AssembleError::Missing(component_name.clone()))?;
        check_exports(manifest, component_name, declared, component)?;
        let most = engine.max_memory_bytes();
        if declared.host.budgets.memory.is_some_and(|bytes| bytes > most as u64) {
            return Err(AssembleError::Memory { component: component_name.clone(), most });
        }
        let values = manifest.resolve_variables(declared, &variable).map_err(|missing| {
            AssembleError::Variable { component: component_name.clone(), missing }
        })?;
        let names = Names {
            tenant: owner.tenant.clone(),
            component: Arc::from(component_name.as_str()),
            release: Arc::from(owner.release),
        };
        let instances = Instances::new(
            engine,
            Arc::clone(component),
            names,
            capabilities(declared, backends, values.into_iter().collect()),
            limits(&declared.host.budgets, owner),
        )?;
        instances.prove().await?;
        services.insert(component_name.clone(), instances);
    }
    Ok(Release::new(owner.release, services))
}

/// What the manifest expects of a component, against what it exports.
fn check_exports(
    manifest: &Manifest,
    name: &str,
    declared: &manifest::Component,
    component: &Component,
) -> Result<(), AssembleError> {
    let serves = component.serves();
    let missing = |export, wanted_by| {
        Err(AssembleError::NotExported { component: name.to_owned(), export, wanted_by })
    };
    if serves.http.is_none() && manifest.triggers.iter().any(|trigger| trigger.component == name) {
        return missing("wasi:http/handler", "its [[trigger.http]]");
    }
    if !serves.events && !declared.host.consume.is_empty() {
        return missing("pingtalk:events/handler", "`consume`");
    }
    if !serves.sockets && declared.host.sockets.serve {
        return missing("pingtalk:sockets/handler", "`sockets.serve`");
    }
    Ok(())
}

/// A component's capabilities: its grants in front of the tenant's backends. What is granted
/// nothing is left out, so that importing it is refused.
fn capabilities(
    declared: &manifest::Component,
    backends: &Backends,
    variables: Variables,
) -> Capabilities {
    let grants = &declared.host;
    Capabilities {
        documents: (!grants.documents.is_empty()).then(|| {
            let inner = Arc::clone(&backends.documents);
            Arc::new(GrantedDocuments::new(inner, document_grants(grants))) as _
        }),
        cache: (!grants.cache.is_empty()).then(|| {
            Arc::new(GrantedCache::new(Arc::clone(&backends.cache), grants.cache.clone())) as _
        }),
        blobs: (!grants.blobs.is_empty()).then(|| {
            Arc::new(GrantedBlobs::new(Arc::clone(&backends.blobs), grants.blobs.clone())) as _
        }),
        sockets: grants
            .sockets
            .emit
            .then(|| Arc::new(GrantedSockets::new(Arc::clone(&backends.sockets), true)) as _),
        variables,
        outbound: OutboundPolicy {
            hosts: declared.allowed_outbound_hosts.iter().map(ToString::to_string).collect(),
            ..OutboundPolicy::default()
        },
    }
}

fn document_grants(grants: &manifest::ComponentSettings) -> DocumentGrants {
    let collections = grants.documents.iter().map(|grant| DocumentGrant {
        database: grant.database.clone(),
        collection: grant.collection.clone(),
        access: match grant.access {
            manifest::Access::Read => Access::Read,
            manifest::Access::Write => Access::Write,
        },
    });
    DocumentGrants { collections: collections.collect(), publish: grants.publish.clone() }
}

/// The component's bounds: what the manifest asks for, else the defaults, within the operator's.
fn limits(budgets: &Budgets, owner: &Owner<'_>) -> Limits {
    let count = |number: Option<u32>, default: usize| {
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    let default = Limits::default();
    let limits = Limits {
        memory_bytes: budgets
            .memory
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.memory_bytes),
        wall_time: budgets.wall_time.unwrap_or(default.wall_time),
        cpu_time: budgets.cpu_time.unwrap_or(default.cpu_time),
        concurrency: count(budgets.concurrency, default.concurrency),
        instances: count(budgets.max_instances, default.instances),
        waiting: count(budgets.waiting, default.waiting),
        reuse: budgets.reuse.unwrap_or(default.reuse),
        idle: budgets.idle.unwrap_or(default.idle),
        handles: count(budgets.handles, default.handles),
        quota: Arc::clone(owner.quota),
        ..default
    };
    match owner.maximum {
        Some(maximum) => maximum.within(limits),
        None => limits,
    }
}

/// The collections a manifest declares, for the documents backend.
#[must_use]
pub fn collections(manifest: &Manifest) -> Vec<documents::Collection> {
    let index = |index: &manifest::Index| documents::Index {
        fields: index.fields.clone(),
        unique: index.unique,
        sparse: index.sparse,
    };
    let collection = |collection: &manifest::Collection| documents::Collection {
        database: collection.database.clone(),
        name: collection.name.clone(),
        indexes: collection.indexes.iter().map(index).collect(),
    };
    manifest.application.host.collections.iter().map(collection).collect()
}

/// The queues a manifest declares, each with the component that consumes it.
#[must_use]
pub fn queues(manifest: &Manifest) -> Vec<(events::Queue, String)> {
    let default = events::Retry::default();
    let mut queues = Vec::new();
    for (component, declared) in &manifest.components {
        for queue in &declared.host.consume {
            let retry = events::Retry {
                attempts: queue.attempts.unwrap_or(default.attempts),
                first_pause: queue.first_pause.unwrap_or(default.first_pause),
                longest_pause: queue.longest_pause.unwrap_or(default.longest_pause),
            };
            let queue =
                events::Queue { name: queue.name.clone(), topics: queue.topics.clone(), retry };
            queues.push((queue, component.clone()));
        }
    }
    queues
}
