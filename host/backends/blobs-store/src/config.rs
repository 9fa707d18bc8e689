//! Where blobs lie and where clients fetch them.

use std::{fmt, path::PathBuf, time::Duration};

/// Settings of [`crate::FileBlobs`].
#[derive(Debug, Clone)]
pub struct Config {
    /// A tenant's blobs are files below `data_dir/tenants/<tenant>/blobs`.
    pub data_dir: PathBuf,
    /// What clients reach this host under, such as `https://chat.example.com`. A blob's URL is
    /// `<public_url>/blobs/<tenant>/<container>/<name>`. Empty: a path on the same host.
    pub public_url: String,
}

impl Config {
    /// Blobs in this folder, fetched from this address.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, public_url: &str) -> Self {
        Self { data_dir: data_dir.into(), public_url: public_url.trim_end_matches('/').to_owned() }
    }
}

/// Settings of [`crate::S3Blobs`].
#[derive(Clone)]
pub struct S3Config {
    /// The bucket. It must exist.
    pub bucket: String,
    /// What every key starts with, such as `chat`: for a bucket that is shared. Empty: nothing. A
    /// blob's key is `<prefix>/tenants/<tenant>/blobs/<container>/<name>`, folders in a name ending
    /// in `+`.
    pub prefix: String,
    /// The region that requests are signed for; what a service without regions takes (`auto` at R2,
    /// `garage` at Garage, anything at most others).
    pub region: String,
    /// The service's address, such as `http://minio:9000`. None: AWS.
    pub endpoint: Option<String>,
    /// The bucket in the path (`endpoint/bucket/key`) rather than in the host name. None: exactly
    /// when there is an endpoint. With an endpoint and `Some(false)`, the endpoint's host name
    /// contains the bucket.
    pub path_style: Option<bool>,
    /// The key's name.
    pub access_key: String,
    /// The key. Debug hides it.
    pub secret_key: String,
    /// As in [`Config`]: by default the host hands blobs out itself.
    pub public_url: String,
    /// Where the bucket itself can be read by everybody, such as a CDN's address: then URLs lead
    /// there. Every container is public then, whatever the manifest says.
    pub public_base_url: Option<String>,
    /// How long a call may take, but for the transfer of contents.
    pub call_time_out: Duration,
    /// Bytes a second that an upload makes at least, beyond that time: a slower one is given up.
    pub least_upload_rate: u32,
}

impl S3Config {
    /// A bucket at AWS in `us-east-1`, with a blob's URL a path on the same host.
    #[must_use]
    pub fn new(bucket: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            path_style: None,
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            public_url: String::new(),
            public_base_url: None,
            call_time_out: Duration::from_secs(10),
            least_upload_rate: 512 * 1024,
        }
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("path_style", &self.path_style)
            .field("public_url", &self.public_url)
            .field("public_base_url", &self.public_base_url)
            .field("call_time_out", &self.call_time_out)
            .field("least_upload_rate", &self.least_upload_rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", S3Config::new("bucket", "the-access-key", "the-secret"));
        assert!(shown.contains("\"bucket\""), "{shown}");
        assert!(!shown.contains("the-access-key") && !shown.contains("the-secret"), "{shown}");
    }
}
