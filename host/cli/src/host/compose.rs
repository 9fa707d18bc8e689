//! The composition root: the one place that names concrete backends.
//!
//! What the configuration names is used; what it does not name is embedded. A production server
//! that is away when the host starts is waited for, with a word in the log.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use pingtalk_blobs_cloudinary::CloudinaryBlobs;
use pingtalk_blobs_store::{FileBlobs, S3Blobs, S3Config};
use pingtalk_cache_memory::MemoryCache;
use pingtalk_cache_redis::RedisCache;
use pingtalk_capabilities::{
    TenantId,
    blobs::{Blobs, BlobsBackend},
    cache::{Cache, CacheBackend},
    checkup::Finding,
    cluster::{Cluster, ClusterBackend},
    documents::{DocumentError, DocumentStore, DocumentsBackend},
    events::{EventError, Events, EventsBackend},
    limits::{LimitsBackend, SharedLimits},
};
use pingtalk_cluster_redis::RedisCluster;
use pingtalk_documents_mongodb::MongoDocuments;
use pingtalk_documents_sqlite::SqliteDocuments;
use pingtalk_events_rabbitmq::RabbitEvents;
use pingtalk_events_sqlite::SqliteEvents;
use pingtalk_limits_redis::RedisLimits;
use pingtalk_manifest::Manifest;
use pingtalk_redis_connection::Redis;
use pingtalk_tenancy::{
    assemble,
    control::{self, ControlStore},
};

use crate::config::{Config, Secret, without_credentials};

/// Between two attempts to open a store that is away.
const PAUSE: Duration = Duration::from_secs(2);

/// One tenant's backends, opened.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) documents: DocumentStore,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) blobs: Arc<dyn Blobs>,
    /// What several hosts share, where they can.
    pub(crate) limits: Option<Arc<dyn SharedLimits>>,
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
}

/// The backends that all tenants share.
pub(crate) struct Backends {
    documents: Arc<dyn DocumentsBackend>,
    cache: Arc<dyn CacheBackend>,
    events: Arc<dyn EventsBackend>,
    blobs: Arc<dyn BlobsBackend>,
    limits: Option<Arc<dyn LimitsBackend>>,
    cluster: Option<Arc<dyn ClusterBackend>>,
}

impl Backends {
    /// Those that the configuration names. Nothing is connected yet.
    pub(crate) fn new(config: &Config, public_url: &str) -> Result<Self> {
        let redis = redis(config)?.map(Redis::new);
        let cache: Arc<dyn CacheBackend> = match &redis {
            Some(redis) => RedisCache::new(redis.clone(), pingtalk_cache_redis::Config::default()),
            None => MemoryCache::new(pingtalk_cache_memory::Config::default()),
        };
        let cluster = redis.as_ref().map(|redis| -> Arc<dyn ClusterBackend> {
            let bus = pingtalk_cluster_redis::Config::default();
            Arc::new(RedisCluster::new(redis.clone(), bus))
        });
        let limits = redis.map(|redis| -> Arc<dyn LimitsBackend> { RedisLimits::new(redis) });
        Ok(Self {
            documents: documents(config)?,
            cache,
            events: events_backend(config),
            blobs: blobs(config, public_url)?,
            limits,
            cluster,
        })
    }

    /// Opens the control store; waits for its server while that is away.
    pub(crate) async fn control(&self) -> Result<ControlStore> {
        let (tenant, collections) = (TenantId::control(), control::collections());
        let open = || self.documents.open(&tenant, &collections);
        Ok(ControlStore::new(patiently("control store", open, is_away).await?.documents))
    }

    /// Opens a tenant's backends; waits for servers that are away.
    pub(crate) async fn open(&self, tenant: &TenantId, manifest: &Manifest) -> Result<Stores> {
        let cluster = match &self.cluster {
            Some(bus) => {
                Some(bus.open(tenant).await.context("the hosts' common bus can't be opened")?)
            }
            None => None,
        };
        Ok(Stores {
            documents: self.documents(tenant, manifest).await?,
            events: self.events(tenant, manifest).await?,
            blobs: self.blobs.open(tenant).await.context("the blobs can't be opened")?,
            cache: self.cache.open(tenant).await.context("the cache can't be opened")?,
            limits: self.limits.as_ref().map(|limits| limits.open(tenant)),
            cluster,
        })
    }

    /// Opens a tenant's documents as a manifest declares them; handles of other releases stay.
    pub(crate) async fn documents(
        &self,
        tenant: &TenantId,
        manifest: &Manifest,
    ) -> Result<DocumentStore> {
        let collections = assemble::collections(manifest);
        patiently("documents", || self.documents.open(tenant, &collections), is_away).await
    }

    /// Opens a tenant's queues as a manifest declares them; handles of other releases stay.
    pub(crate) async fn events(
        &self,
        tenant: &TenantId,
        manifest: &Manifest,
    ) -> Result<Arc<dyn Events>> {
        let queues = queues(manifest);
        let is_away = |error: &EventError| matches!(error, EventError::Unavailable(_));
        patiently("event queues", || self.events.open(tenant, &queues), is_away).await
    }
}

fn is_away(error: &DocumentError) -> bool {
    matches!(error, DocumentError::Unavailable(_) | DocumentError::DeadlineExceeded)
}

fn queues(manifest: &Manifest) -> Vec<pingtalk_capabilities::events::Queue> {
    assemble::queues(manifest).into_iter().map(|(queue, _)| queue).collect()
}

/// Opens something, again and again while its server is away.
async fn patiently<T, E, F>(
    what: &str,
    open: impl Fn() -> F,
    is_away: impl Fn(&E) -> bool,
) -> Result<T>
where
    E: std::error::Error + Display + Send + Sync + 'static,
    F: Future<Output = Result<T, E>>,
{
    let mut told = false;
    loop {
        match open().await {
            Ok(opened) => {
                if told {
                    tracing::info!("the {what} are there");
                }
                return Ok(opened);
            }
            Err(error) if is_away(&error) => {
                if !told {
                    tracing::warn!(%error, "waiting for the {what}: is their server running?");
                }
                told = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error).with_context(|| format!("the {what} can't be opened")),
        }
    }
}

/// Whether documents lie in MongoDB.
fn uses_mongodb(config: &Config) -> bool {
    config.mongodb.is_some() || !config.mongodb_databases.is_empty()
}

fn documents(config: &Config) -> Result<Arc<dyn DocumentsBackend>> {
    if !uses_mongodb(config) {
        let config = pingtalk_documents_sqlite::Config::new(&config.data);
        return Ok(SqliteDocuments::new(config));
    }
    MongoDocuments::new(mongodb(config)?).context("MongoDB: the configuration is wrong")
}

fn mongodb(config: &Config) -> Result<pingtalk_documents_mongodb::Config> {
    let own = &config.mongodb_databases;
    let Some(uri) = config.mongodb.as_ref().or_else(|| own.values().next()) else {
        bail!("no MongoDB is configured");
    };
    let mut mongodb = pingtalk_documents_mongodb::Config::new(uri.expose());
    mongodb.database_uris =
        own.iter().map(|(name, uri)| (name.clone(), uri.expose().to_owned())).collect();
    Ok(mongodb)
}

/// Fails when a database of the default tenant's manifest has no place.
pub(crate) fn check_databases(config: &Config, manifest: &Manifest) -> Result<()> {
    if !uses_mongodb(config) || config.mongodb.is_some() {
        return Ok(());
    }
    let mut collections = manifest.application.host.collections.iter();
    match collections.find(|it| !config.mongodb_databases.contains_key(&it.database)) {
        None => Ok(()),
        Some(missing) => bail!(
            "the database {} has no MongoDB: set `mongodb` (MONGO_URI), or the database's own URI \
             under [mongodb_databases]",
            missing.database
        ),
    }
}

fn redis(config: &Config) -> Result<Option<pingtalk_redis_connection::Config>> {
    let url = config.redis.as_ref().map(Secret::expose);
    url.map(|url| pingtalk_redis_connection::Config::new(url).context("`redis`")).transpose()
}

fn events_backend(config: &Config) -> Arc<dyn EventsBackend> {
    match rabbitmq(config) {
        Some(config) => RabbitEvents::new(config),
        None => SqliteEvents::new(pingtalk_events_sqlite::Config::new(&config.data)),
    }
}

fn rabbitmq(config: &Config) -> Option<pingtalk_events_rabbitmq::Config> {
    let mut rabbitmq = pingtalk_events_rabbitmq::Config::new(config.rabbitmq.as_ref()?.expose());
    rabbitmq.plain_queues = config.rabbitmq_plain_queues;
    Some(rabbitmq)
}

fn blobs(config: &Config, public_url: &str) -> Result<Arc<dyn BlobsBackend>> {
    if config.s3_bucket.is_some() && config.cloudinary.is_some() {
        bail!("both `s3_bucket` and `cloudinary` are set: blobs can lie in one place only");
    }
    if let Some(cloudinary) = cloudinary(config)? {
        return CloudinaryBlobs::new(cloudinary).context("`cloudinary`");
    }
    match s3(config, public_url)? {
        Some(s3) => S3Blobs::new(s3).context("`s3_bucket`"),
        None => Ok(FileBlobs::new(pingtalk_blobs_store::Config::new(&config.data, public_url))),
    }
}

fn s3(config: &Config, public_url: &str) -> Result<Option<S3Config>> {
    let Some(bucket) = &config.s3_bucket else { return Ok(None) };
    let (Some(key), Some(secret)) = (&config.s3_access_key, &config.s3_secret_key) else {
        bail!("`s3_bucket` needs `s3_access_key` and `s3_secret_key`");
    };
    let mut s3 = S3Config::new(bucket, key, secret.expose());
    s3.prefix = config.s3_prefix.clone().unwrap_or_default();
    s3.region = config.s3_region.clone().unwrap_or(s3.region);
    s3.endpoint.clone_from(&config.s3_endpoint);
    s3.public_url = public_url.to_owned();
    s3.public_base_url.clone_from(&config.s3_public_url);
    Ok(Some(s3))
}

fn cloudinary(config: &Config) -> Result<Option<pingtalk_blobs_cloudinary::Config>> {
    let Some(url) = &config.cloudinary else { return Ok(None) };
    let parts = || {
        let (login, cloud) = url.expose().strip_prefix("cloudinary://")?.rsplit_once('@')?;
        let (key, secret) = login.split_once(':')?;
        let secret = percent_decode_str(secret).decode_utf8().ok()?;
        Some(pingtalk_blobs_cloudinary::Config::new(cloud, key, &secret))
    };
    parts().map(Some).context("`cloudinary` must be cloudinary://KEY:SECRET@CLOUD")
}

/// What backends stand behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    Documents,
    Events,
    Cache,
    Sockets,
    Blobs,
}

impl Capability {
    pub(crate) const ALL: [Self; 5] =
        [Self::Documents, Self::Events, Self::Cache, Self::Sockets, Self::Blobs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Events => "events",
            Self::Cache => "cache",
            Self::Sockets => "sockets",
            Self::Blobs => "blobs",
        }
    }

    /// Which backend it is and where, without credentials.
    pub(crate) fn place(self, config: &Config) -> String {
        let data = config.data.join("tenants");
        let at =
            |name: &str, url: &Secret| format!("{name:<11} {}", without_credentials(url.expose()));
        match self {
            Self::Documents if uses_mongodb(config) => {
                let uris = config.mongodb.iter().chain(config.mongodb_databases.values());
                uris.map(|uri| at("MongoDB", uri)).collect::<Vec<_>>().join("\n              ")
            }
            Self::Documents => format!("SQLite      {}", data.display()),
            Self::Events => match &config.rabbitmq {
                Some(url) => at("RabbitMQ", url),
                None => format!("SQLite      {}", data.display()),
            },
            Self::Cache => match &config.redis {
                Some(url) => at("Redis", url),
                None => "in memory".to_owned(),
            },
            Self::Sockets => match &config.redis {
                Some(url) => at("Redis", url) + " (shared with its other hosts)",
                None => "this host's own".to_owned(),
            },
            Self::Blobs => match (&config.s3_bucket, &config.cloudinary) {
                (Some(bucket), _) => {
                    let endpoint = config.s3_endpoint.as_deref().map(without_credentials);
                    format!("S3          {bucket} at {}", endpoint.as_deref().unwrap_or("AWS"))
                }
                (None, Some(url)) => at("Cloudinary", url),
                (None, None) => format!("files       {}", data.display()),
            },
        }
    }

    /// Whether its backend can do its work, for `pingtalk doctor`.
    pub(crate) async fn examine(self, config: &Config, manifest: &Manifest) -> Vec<Finding> {
        self.look_at(config, manifest).await.unwrap_or_else(|error| {
            let advice = "Correct it in pingtalk.toml or the environment";
            vec![Finding::problem(format!("{error:#}"), advice)]
        })
    }

    async fn look_at(self, config: &Config, manifest: &Manifest) -> Result<Vec<Finding>> {
        let embedded = pingtalk_blobs_store::Config::new(&config.data, "");
        Ok(match self {
            Self::Documents if uses_mongodb(config) => {
                check_databases(config, manifest)?;
                pingtalk_documents_mongodb::examine(&mongodb(config)?).await
            }
            Self::Documents => pingtalk_blobs_store::examine_files(&embedded).await,
            Self::Events => match rabbitmq(config) {
                Some(rabbitmq) => pingtalk_events_rabbitmq::examine(&rabbitmq).await,
                None => pingtalk_blobs_store::examine_files(&embedded).await,
            },
            Self::Cache => match redis(config)? {
                Some(redis) => pingtalk_cache_redis::examine(&redis).await,
                None => Vec::new(),
            },
            Self::Sockets => match redis(config)? {
                Some(redis) => pingtalk_cluster_redis::examine(&redis).await,
                None => Vec::new(),
            },
            Self::Blobs => match (s3(config, "")?, cloudinary(config)?) {
                (Some(s3), _) => pingtalk_blobs_store::examine_s3(&s3).await,
                (None, Some(account)) => pingtalk_blobs_cloudinary::examine(&account).await,
                (None, None) => pingtalk_blobs_store::examine_files(&embedded).await,
            },
        })
    }
}
