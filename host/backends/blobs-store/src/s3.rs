//! The S3 backend: a bucket of AWS or of a service that speaks its protocol (MinIO, R2, Garage,
//! Ceph, …).
//!
//! Opening a tenant asks nothing of the service, so that a host starts while it is away; calls
//! answer `Unavailable` then and work again as soon as it is back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, Blobs, BlobsBackend},
};
use reqwest::Url;
use tokio_rustls::rustls::crypto::ring;

use crate::{
    S3Config,
    limits::Limits,
    tenant::{TenantBlobs, Urls, folder},
    upload::PART_BYTES,
};

/// Three tries at connecting fit into a call's ten seconds.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(3);
const RETRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    },
    max_retries: 2,
    retry_timeout: Duration::from_secs(8),
};

/// Settings that can't be right.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// Something that must be said is not.
    #[error("the S3 store needs a {0}")]
    Missing(&'static str),
    /// The endpoint is no address of a server.
    #[error("the S3 endpoint must look like https://HOST or http://HOST:PORT")]
    Endpoint,
    /// A prefix that can't start keys.
    #[error(
        "the S3 prefix must be letters, digits, -, _, . and single /, such as chat or apps/chat"
    )]
    Prefix,
    /// The client can't be made. Over TLS it needs the system's root certificates.
    #[error("the S3 client can't be set up; are the system's root certificates installed?")]
    Client,
}

/// Blobs as objects in a bucket, below a prefix per tenant.
pub struct S3Blobs {
    store: Arc<dyn ObjectStore>,
    config: S3Config,
}

impl S3Blobs {
    /// A backend with these settings. Asks nothing of the service yet.
    ///
    /// # Errors
    /// When the settings can't be right.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: S3Config) -> Result<Arc<dyn BlobsBackend>, S3Error> {
        let store = Arc::new(connect(&config)?);
        Ok(Arc::new(Self { store, config }))
    }
}

#[async_trait]
impl BlobsBackend for S3Blobs {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Blobs>, BlobError> {
        let urls = match &self.config.public_base_url {
            Some(start) => Urls::Bucket(start.trim_end_matches('/').to_owned()),
            None => Urls::host(&self.config.public_url, tenant),
        };
        Ok(Arc::new(TenantBlobs {
            store: Arc::clone(&self.store),
            folder: folder(&self.config.prefix, tenant),
            urls,
            labels: true,
            limits: limits(&self.config),
        }))
    }
}

fn limits(config: &S3Config) -> Limits {
    Limits { call: config.call_time_out, least_upload_rate: config.least_upload_rate }
}

/// A client for a bucket. No connection is made yet.
pub(crate) fn connect(config: &S3Config) -> Result<AmazonS3, S3Error> {
    for (value, name) in [
        (&config.bucket, "bucket"),
        (&config.region, "region"),
        (&config.access_key, "access key"),
        (&config.secret_key, "secret key"),
    ] {
        if value.is_empty() {
            return Err(S3Error::Missing(name));
        }
    }
    let prefix = &config.prefix;
    if !prefix.is_empty() && pingtalk_capabilities::blobs::check_name(prefix).is_err() {
        return Err(S3Error::Prefix);
    }
    let plain = match &config.endpoint {
        None => false,
        Some(endpoint) => is_plain(endpoint)?,
    };

    // The TLS client asks the process for its cryptography; whoever sets it first decides, and all
    // of ours set ring.
    drop(ring::default_provider().install_default());
    let options = ClientOptions::new()
        .with_allow_http(plain)
        // A server without TLS needs no roots, so a bare container image without any will do.
        .with_no_system_certificates(plain)
        .with_connect_timeout(CONNECT_TIME_OUT)
        // A download may take as long as its reader; what must not last is silence.
        .with_timeout_disabled()
        .with_read_timeout(limits(config).sending(PART_BYTES));
    let path_style = config.path_style.unwrap_or(config.endpoint.is_some());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key)
        .with_secret_access_key(&config.secret_key)
        .with_virtual_hosted_style_request(!path_style)
        // TLS protects the content already; without it, the signature has to.
        .with_unsigned_payload(!plain)
        // One DELETE for one object, which every service has.
        .with_disable_bulk_delete(true)
        .with_retry(RETRIES)
        .with_client_options(options);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build().map_err(|_| S3Error::Client)
}

/// Whether an endpoint is without TLS.
fn is_plain(endpoint: &str) -> Result<bool, S3Error> {
    let url = Url::parse(endpoint).map_err(|_| S3Error::Endpoint)?;
    // Keys have settings of their own; here they would end up in errors.
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    match url.scheme() {
        "http" if bare && url.has_host() => Ok(true),
        "https" if bare && url.has_host() => Ok(false),
        _ => Err(S3Error::Endpoint),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = S3Config::new("bucket", "key", "secret");
        connect(&good).unwrap();
        let with = |change: fn(&mut S3Config)| {
            let mut config = good.clone();
            change(&mut config);
            connect(&config).map(drop)
        };
        with(|config| config.endpoint = Some("http://localhost:9000/".to_owned())).unwrap();
        with(|config| config.prefix = "apps/chat".to_owned()).unwrap();
        assert!(matches!(with(|config| config.bucket.clear()), Err(S3Error::Missing("bucket"))));
        for wrong in [
            |config: &mut S3Config| config.endpoint = Some("localhost:9000".to_owned()),
            |config: &mut S3Config| config.endpoint = Some("ftp://localhost".to_owned()),
            |config: &mut S3Config| config.endpoint = Some("http://key:secret@host".to_owned()),
        ] {
            assert!(matches!(with(wrong), Err(S3Error::Endpoint)));
        }
        assert!(matches!(with(|c| c.prefix = "/chat".to_owned()), Err(S3Error::Prefix)));
    }
}
