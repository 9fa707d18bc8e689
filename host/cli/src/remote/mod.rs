//! Commands that act on a running host, through its admin API.

mod client;
mod deploy;
mod events;
mod host;
mod oci;
mod package;
mod releases;
mod report;
mod secrets;
mod tenants;

use std::{future::Future, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use self::client::AdminClient;
use crate::config::{self, Config, Secret};

pub(crate) use deploy::{DeployOptions, PushOptions, deploy, push};
pub(crate) use events::{EventsOptions, events};
pub(crate) use host::{AuditOptions, StatusOptions, audit, drain, status};
pub(crate) use releases::{
    CanaryOptions, DiffOptions, ReleasesOptions, RollbackOptions, canary, diff, releases, rollback,
};
pub(crate) use secrets::{SecretsOptions, secrets};
pub(crate) use tenants::{TenantsOptions, tenants};

/// Which host, and how to speak to it.
#[derive(Args, Clone)]
pub(crate) struct Remote {
    /// The host's admin API [default: this machine's, where the configuration has it]
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// A file with the token [default: the one that a host keeps in its data directory]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The host's configuration [default: pingtalk.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The host's data directory [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

/// Whose releases and events.
#[derive(Args, Clone)]
pub(crate) struct TenantOption {
    /// The tenant
    #[arg(long, short, value_name = "NAME", default_value = "default", global = true)]
    tenant: String,
}

impl Remote {
    /// Finds the host and its token.
    fn client(&self) -> Result<AdminClient> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        let set = config::admin_environment();
        let url = match self.admin.clone().or(set.url) {
            Some(url) => url,
            None => {
                let address = config.admin_address().context(
                    "the configuration has the admin API off: name a host with --admin URL",
                )?;
                let scheme = if config.admin_is_tls(address) { "https" } else { "http" };
                format!("{scheme}://{address}")
            }
        };
        let token = match (&self.token_file, set.token) {
            (Some(file), _) => read_token(file)?,
            (None, Some(token)) => token,
            (None, None) => {
                let file = config.admin_token_file().context(
                    "the configuration names tokens: set PINGTALK_ADMIN_TOKEN to one of them, or \
                     --token-file",
                )?;
                read_token(&file).context(
                    "set PINGTALK_ADMIN_TOKEN or --token-file, or run this where the host's data \
                     directory is (--data)",
                )?
            }
        };
        AdminClient::new(&url, token)
    }

    /// Runs a command, and prints what it answers: as JSON where that is asked for.
    fn run<F>(
        &self,
        command: impl FnOnce(AdminClient) -> F,
        print: impl FnOnce(&Value),
    ) -> Result<()>
    where
        F: Future<Output = Result<Value>>,
    {
        let client = self.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(command(client))?;
        if self.json {
            println!("{answer:#}");
        } else {
            print(&answer);
        }
        Ok(())
    }
}

fn read_token(file: &std::path::Path) -> Result<Secret> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the token's file {} can't be read", file.display()))?;
    Ok(Secret::new(text.trim().to_owned()))
}
