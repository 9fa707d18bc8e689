//! Where things are: `pingtalk.toml`, the same keys as environment variables, and the original's
//! variables. The manifest says what an application is; this says where and how it runs here.
//!
//! Precedence: command line, environment, file, default. An unknown key fails with the nearest
//! valid one; a value of the wrong kind fails with what it should be.

mod admin;
mod environment;
mod keys;
mod secret;
mod servers;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use pingtalk_tenancy::{
    ComponentMaximum,
    control::{ControlKey, TenantBudgets},
};
use serde::Deserialize;

pub(crate) use admin::{AdminListen, AdminToken};
pub(crate) use environment::{admin as admin_environment, registry as registry_environment};
pub(crate) use secret::{Secret, generated};
pub(crate) use servers::without_credentials;

/// The file looked for when none is named.
const DEFAULT_FILE: &str = "pingtalk.toml";

/// Everything an operator can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the gateway listens.
    pub(crate) listen: SocketAddr,
    /// Where the admin API and the console listen; none: on 127.0.0.1, 900 ports above `listen`.
    pub(crate) admin_listen: Option<AdminListen>,
    /// Who may use the admin API; none: one token of its own, kept in the data directory.
    pub(crate) admin_tokens: Vec<AdminToken>,
    /// A file with the certificate (PEM, the whole chain) that `listen` is served with; none: plain.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// A file with its private key (PEM).
    pub(crate) tls_key: Option<PathBuf>,
    /// Where all data lie.
    pub(crate) data: PathBuf,
    /// Where compiled components are kept; none: `compiled` in the data directory.
    pub(crate) compile_cache: Option<PathBuf>,
    /// Seconds that compiling one component may take.
    pub(crate) compile_time: u64,
    /// How clients reach this host, for the URLs handed out; none: `http://` and `listen`.
    pub(crate) public_url: Option<String>,
    /// Threads that serve requests; 0: one per core.
    pub(crate) threads: usize,
    /// Origins that browsers may call from, compared exactly; none: the manifest's.
    pub(crate) origins: Option<Vec<String>>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<String>,
    /// What to log, as `tracing` directives (`info`, `pingtalk_gateway=debug`).
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) log_format: LogFormat,
    /// Seconds that calls in hand get when the host stops.
    pub(crate) drain: u64,
    /// An OpenTelemetry collector's URL (OTLP over HTTP), for traces and log lines; none: nowhere.
    pub(crate) otlp_endpoint: Option<String>,
    /// Headers that the collector wants to see.
    pub(crate) otlp_headers: BTreeMap<String, Secret>,
    /// The part of all traces that is kept, 0 to 1, unless a trusted proxy has decided.
    pub(crate) trace_share: f64,
    /// MongoDB's URI; none: documents in SQLite.
    pub(crate) mongodb: Option<Secret>,
    /// For single databases of the manifest: a URI of their own, whose path names the database.
    pub(crate) mongodb_databases: BTreeMap<String, Secret>,
    /// Redis's URL, for the cache, shared limits and the hosts' common sockets; none: in memory.
    pub(crate) redis: Option<Secret>,
    /// RabbitMQ's URL; none: events in SQLite.
    pub(crate) rabbitmq: Option<Secret>,
    /// Make new queues as the original's services do, so that those can still declare them.
    pub(crate) rabbitmq_plain_queues: bool,
    /// A bucket of an S3-compatible store; none: blobs in files.
    pub(crate) s3_bucket: Option<String>,
    /// What the names of our objects start with.
    pub(crate) s3_prefix: Option<String>,
    /// The bucket's region.
    pub(crate) s3_region: Option<String>,
    /// The store's URL, where it is not Amazon's.
    pub(crate) s3_endpoint: Option<String>,
    /// Access key id.
    pub(crate) s3_access_key: Option<String>,
    /// Its secret.
    pub(crate) s3_secret_key: Option<Secret>,
    /// Where clients find the bucket's objects; none: this host hands them out.
    pub(crate) s3_public_url: Option<String>,
    /// `cloudinary://KEY:SECRET@CLOUD`; none: blobs in files or S3.
    pub(crate) cloudinary: Option<Secret>,
    /// What each tenant but the default one may use, unless it has budgets of its own.
    pub(crate) tenant_budgets: TenantBudgets,
    /// What a component of each tenant but the default one may have at most.
    pub(crate) component_maximum: ComponentMaximum,
    /// What tenants' secrets are sealed with, 64 hexadecimal digits; none: one of this host's own.
    pub(crate) control_key: Option<Secret>,
    /// Values of the manifest's variables.
    pub(crate) variables: BTreeMap<String, Secret>,
    /// Ports on which components are served directly, by the variable the manifest names
    /// (`AUTH_SERVICE_PORT`, …).
    #[serde(skip)]
    pub(crate) direct_ports: BTreeMap<String, u16>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            admin_listen: None,
            admin_tokens: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            data: PathBuf::from("data"),
            compile_cache: None,
            // Our largest service takes two.
            compile_time: 120,
            public_url: None,
            threads: 0,
            origins: None,
            trusted_proxies: Vec::new(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            drain: 10,
            otlp_endpoint: None,
            otlp_headers: BTreeMap::new(),
            trace_share: 1.0,
            mongodb: None,
            mongodb_databases: BTreeMap::new(),
            redis: None,
            rabbitmq: None,
            rabbitmq_plain_queues: false,
            s3_bucket: None,
            s3_prefix: None,
            s3_region: None,
            s3_endpoint: None,
            s3_access_key: None,
            s3_secret_key: None,
            s3_public_url: None,
            cloudinary: None,
            tenant_budgets: TenantBudgets::default(),
            component_maximum: ComponentMaximum::default(),
            control_key: None,
            variables: BTreeMap::new(),
            direct_ports: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file and the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let (path, required) = match file {
            Some(path) => (path, true),
            None => (Path::new(DEFAULT_FILE), false),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                String::new()
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} can't be read", path.display()));
            }
        };
        let mut table: toml::Table =
            text.parse().with_context(|| format!("{} is not valid TOML", path.display()))?;
        keys::check(&table).with_context(|| path.display().to_string())?;
        environment::overlay(&mut table, &environment::process())?;
        let mut config: Self = table
            .try_into()
            .with_context(|| format!("in {} or the environment", path.display()))?;
        environment::collector(&mut config, &environment::process());
        environment::original(&mut config, &environment::process())?;
        Ok(config)
    }

    /// Threads that serve requests.
    pub(crate) fn cores(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// How clients reach this host.
    pub(crate) fn public_url(&self, bound: SocketAddr) -> Result<String> {
        let Some(url) = &self.public_url else {
            let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
            return Ok(format!("{scheme}://{bound}"));
        };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            bail!("public_url must start with http:// or https://, but is `{url}`");
        }
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// The key that tenants' secrets are sealed with; made on the first start where none is set.
    pub(crate) fn control_key(&self) -> Result<ControlKey> {
        let key = match &self.control_key {
            Some(key) => key.clone(),
            None => generated(&self.data.join("secrets"), "control_key")?,
        };
        ControlKey::from_hex(key.expose()).context("`control_key`")
    }

    /// Time that compiling one component may take.
    pub(crate) fn compile_time(&self) -> Duration {
        Duration::from_secs(self.compile_time)
    }

    /// Time that calls in hand get when the host stops.
    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain)
    }
}
