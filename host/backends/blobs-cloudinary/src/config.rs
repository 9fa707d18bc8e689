//! Which account, and how long to wait for it.

use std::{fmt, time::Duration};

use reqwest::Url;

/// Where the upload API is.
const API_URL: &str = "https://api.cloudinary.com";
/// Where assets are delivered.
const DELIVERY_URL: &str = "https://res.cloudinary.com";

/// The digest of signatures. Accounts take both, unless SHA-256 alone was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureAlgorithm {
    /// Cloudinary's default.
    #[default]
    Sha1,
    /// For accounts that insist on it.
    Sha256,
}

/// Settings of [`crate::CloudinaryBlobs`].
#[derive(Clone)]
pub struct Config {
    /// The account's cloud name: letters, digits and `-`.
    pub cloud_name: String,
    /// The key's name.
    pub api_key: String,
    /// The key. Debug hides it.
    pub api_secret: String,
    /// What every public ID starts with: `<folder>/<tenant>/<container>/<name>`.
    pub folder: String,
    /// The digest of signatures.
    pub signature_algorithm: SignatureAlgorithm,
    /// The API's address; another one in tests, or where a proxy stands between.
    pub api_url: String,
    /// The content network's address.
    pub delivery_url: String,
    /// How long a call may take, but for the transfer of contents.
    pub call_time_out: Duration,
    /// Bytes a second that an upload makes at least, beyond that time: a slower one is given up.
    pub least_upload_rate: u32,
    /// How many uploads run at a time; each holds its blob in memory. More wait.
    pub concurrent_uploads: usize,
}

impl Config {
    /// An account, with everything else as usual.
    #[must_use]
    pub fn new(cloud_name: &str, api_key: &str, api_secret: &str) -> Self {
        Self {
            cloud_name: cloud_name.to_owned(),
            api_key: api_key.to_owned(),
            api_secret: api_secret.to_owned(),
            folder: "pingtalk".to_owned(),
            signature_algorithm: SignatureAlgorithm::default(),
            api_url: API_URL.to_owned(),
            delivery_url: DELIVERY_URL.to_owned(),
            call_time_out: Duration::from_secs(10),
            least_upload_rate: 512 * 1024,
            concurrent_uploads: 8,
        }
    }

    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let letters = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        if self.cloud_name.is_empty() || !self.cloud_name.bytes().all(letters) {
            return Err(ConfigError::CloudName);
        }
        for (value, name) in [(&self.api_key, "API key"), (&self.api_secret, "API secret")] {
            if value.is_empty() {
                return Err(ConfigError::Missing(name));
            }
        }
        if pingtalk_capabilities::blobs::check_name(&self.folder).is_err() {
            return Err(ConfigError::Folder);
        }
        for url in [&self.api_url, &self.delivery_url] {
            let url = Url::parse(url).map_err(|_| ConfigError::Address)?;
            let bare = url.username().is_empty() && url.password().is_none();
            if !bare || !url.has_host() || !["http", "https"].contains(&url.scheme()) {
                return Err(ConfigError::Address);
            }
        }
        Ok(())
    }
}

/// Settings that can't be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No cloud name, or none that can be one.
    #[error("Cloudinary needs a cloud name: letters, digits and -")]
    CloudName,
    /// Something that must be said is not.
    #[error("Cloudinary needs an {0}")]
    Missing(&'static str),
    /// A folder that can't start public IDs.
    #[error("the Cloudinary folder must be letters, digits, -, _, . and single /")]
    Folder,
    /// An address that is none.
    #[error("Cloudinary's addresses must look like https://HOST")]
    Address,
    /// The client can't be made.
    #[error("the HTTPS client can't be set up; are the system's root certificates installed?")]
    Client,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cloud_name", &self.cloud_name)
            .field("folder", &self.folder)
            .field("signature_algorithm", &self.signature_algorithm)
            .field("api_url", &self.api_url)
            .field("delivery_url", &self.delivery_url)
            .field("call_time_out", &self.call_time_out)
            .field("least_upload_rate", &self.least_upload_rate)
            .field("concurrent_uploads", &self.concurrent_uploads)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", Config::new("demo", "the-key", "the-secret"));
        assert!(shown.contains("demo"), "{shown}");
        assert!(!shown.contains("the-key") && !shown.contains("the-secret"), "{shown}");
    }

    #[test]
    fn settings_are_checked() {
        let good = Config::new("demo", "key", "secret");
        good.check().unwrap();
        let with = |change: fn(&mut Config)| {
            let mut config = good.clone();
            change(&mut config);
            config.check()
        };
        let demo = |config: &mut Config| config.cloud_name = "demo/../x".to_owned();
        assert!(matches!(with(demo), Err(ConfigError::CloudName)));
        assert!(matches!(with(|c| c.api_secret.clear()), Err(ConfigError::Missing("API secret"))));
        assert!(matches!(with(|c| c.folder = "/x".to_owned()), Err(ConfigError::Folder)));
        let address = |config: &mut Config| config.api_url = "https://key:secret@host".to_owned();
        assert!(matches!(with(address), Err(ConfigError::Address)));
    }
}
