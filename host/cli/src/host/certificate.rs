//! The listeners' certificate: read at the start, and again whenever its files change, so that a
//! renewal needs no restart.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use pingtalk_gateway::Tls;

use crate::config::Config;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate's files and what was made of them.
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    pub(super) tls: Arc<Tls>,
    seen: [Stamp; 2],
}

/// When a file was written, and how large it is: enough to see that it was replaced.
type Stamp = Option<(SystemTime, u64)>;

impl Certificate {
    /// Reads the files that the configuration names, if it does.
    pub(super) fn read(config: &Config) -> Result<Option<Self>> {
        let (certificate, key) = match (&config.tls_certificate, &config.tls_key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(_), None) => bail!("`tls_certificate` is set, but `tls_key` is not"),
            (None, Some(_)) => bail!("`tls_key` is set, but `tls_certificate` is not"),
        };
        let seen = [stamp(&certificate), stamp(&key)];
        let tls = Tls::from_pem(&read(&certificate)?, &read(&key)?)
            .with_context(|| format!("{} and {}", certificate.display(), key.display()))?;
        Ok(Some(Self { certificate, key, tls: Arc::new(tls), seen }))
    }

    /// Takes over what the files hold, whenever they change. Half a renewal does no harm: what
    /// does not fit together leaves the old certificate in force.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let found = [stamp(&self.certificate), stamp(&self.key)];
            if found == self.seen {
                continue;
            }
            let replaced = async {
                let certificate = tokio::fs::read(&self.certificate).await?;
                let key = tokio::fs::read(&self.key).await?;
                anyhow::Ok(self.tls.replace(&certificate, &key)?)
            };
            match replaced.await {
                Ok(()) => {
                    tracing::info!(file = %self.certificate.display(), "certificate reloaded");
                    self.seen = found;
                }
                // Looked at again: the other file may follow.
                Err(error) => tracing::error!(
                    file = %self.certificate.display(), %error,
                    "the new certificate can't be used, the old one stays"
                ),
            }
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}
