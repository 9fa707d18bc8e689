//! The composition root: the one place that names concrete backends.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use pingtalk_blobs_store::FileBlobs;
use pingtalk_cache_memory::MemoryCache;
use pingtalk_capabilities::{
    TenantId, blobs::Blobs, cache::Cache, documents::DocumentStore, events::Events,
};
use pingtalk_documents_sqlite::SqliteDocuments;
use pingtalk_events_sqlite::SqliteEvents;
use pingtalk_manifest::Manifest;
use pingtalk_tenancy::assemble;

/// One tenant's backends, opened.
pub(crate) struct Stores {
    pub(crate) documents: DocumentStore,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) blobs: Arc<dyn Blobs>,
}

/// Opens the embedded backends under `data`.
pub(crate) async fn embedded(
    data: &Path,
    public_url: &str,
    tenant: &TenantId,
    manifest: &Manifest,
) -> Result<Stores> {
    let documents = SqliteDocuments::new(pingtalk_documents_sqlite::Config::new(data));
    let events = SqliteEvents::new(pingtalk_events_sqlite::Config::new(data));
    let cache = MemoryCache::new(pingtalk_cache_memory::Config::default());
    let blobs = FileBlobs::new(pingtalk_blobs_store::Config::new(data, public_url));
    let queues: Vec<_> = assemble::queues(manifest).into_iter().map(|(queue, _)| queue).collect();
    Ok(Stores {
        documents: documents
            .open(tenant, &assemble::collections(manifest))
            .await
            .context("the documents can't be opened")?,
        cache: cache.open(tenant).await.context("the cache can't be opened")?,
        events: events.open(tenant, &queues).await.context("the event queues can't be opened")?,
        blobs: blobs.open(tenant).await.context("the blobs can't be opened")?,
    })
}
