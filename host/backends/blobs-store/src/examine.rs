//! `pingtalk doctor` for blobs: writes an object of its own, reads it, removes it.

use std::time::{Duration, SystemTime};

use object_store::{
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, path::Path as Location,
};
use pingtalk_capabilities::{blobs::BlobError, checkup::Finding};

use crate::{
    Config, S3Config,
    limits::within,
    s3::{S3Error, connect},
};

/// For each step.
const LIMIT: Duration = Duration::from_secs(4);
/// S3 refuses requests whose clock is a quarter of an hour off; a warning comes well before.
const MAX_SKEW: Duration = Duration::from_secs(120);
const CONTENT: &[u8] = b"written by pingtalk doctor; may be removed";

/// Looks at the data directory, where files of blobs and of every other embedded backend lie.
pub async fn examine_files(config: &Config) -> Vec<Finding> {
    let folder = config.data_dir.clone();
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let probe = folder.join(format!("doctor-{:016x}", rand::random::<u64>()));
        std::fs::write(&probe, CONTENT).and_then(|()| std::fs::remove_file(&probe))
    });
    let shown = config.data_dir.display();
    match tokio::time::timeout(LIMIT, written).await {
        Ok(Ok(Ok(()))) => vec![Finding::fine(format!("files can be written below {shown}"))],
        Ok(Ok(Err(error))) => vec![Finding::problem(
            format!("files can't be written below {shown} ({})", error.kind()),
            "let the host's user create and write files there, or choose another data directory",
        )],
        Ok(Err(_)) | Err(_) => vec![Finding::problem(
            format!("the disk of {shown} does not answer"),
            "look at the disk or the network file system under it",
        )],
    }
}

/// Looks at the bucket of the S3 backend.
pub async fn examine_s3(config: &S3Config) -> Vec<Finding> {
    let place = format!(
        "bucket {} at {}",
        config.bucket,
        config.endpoint.as_deref().unwrap_or("AWS, region ")
    );
    let place = if config.endpoint.is_none() { format!("{place}{}", config.region) } else { place };
    let store = match connect(config) {
        Ok(store) => store,
        Err(error @ S3Error::Endpoint) => {
            // An address that can't be read may hold anything, so it is not shown.
            return vec![Finding::problem(error.to_string(), "correct the S3 endpoint")];
        }
        Err(error) => return vec![Finding::problem(error.to_string(), "complete the S3 settings")],
    };
    let separator = if config.prefix.is_empty() { "" } else { "/" };
    let probe = format!("{}{separator}doctor/{:016x}", config.prefix, rand::random::<u64>());
    Examination { store: &store, place, probe: Location::from(probe) }.run().await
}

struct Examination<'a> {
    store: &'a dyn ObjectStore,
    /// The bucket, in words.
    place: String,
    probe: Location,
}

impl Examination<'_> {
    async fn run(&self) -> Vec<Finding> {
        let written = SystemTime::now();
        let put = self.store.put(&self.probe, PutPayload::from_static(CONTENT));
        if let Err(error) = within(LIMIT, put).await {
            return vec![self.problem("can't be written", error)];
        }
        let mut findings = vec![Finding::fine(format!("{} can be written", self.place))];
        // Whoever may not list a bucket is told 403 instead of 404 for what isn't there, and the
        // host could not tell an absent blob from a wrong key.
        let absent = Location::from(format!("{}-absent", self.probe));
        if !matches!(within(LIMIT, self.store.head(&absent)).await, Err(BlobError::NotFound)) {
            findings.push(Finding::warning(
                format!("{} does not say that an absent object is absent", self.place),
                "allow the key s3:ListBucket on the bucket, else missing blobs look like failures",
            ));
        }
        match within(LIMIT, async { self.store.get(&self.probe).await?.bytes().await }).await {
            Ok(found) if found == CONTENT => {
                findings.push(Finding::fine("objects come back as they were written"));
            }
            Ok(_) => findings.push(Finding::problem(
                format!("{} returns other bytes than were written", self.place),
                "look for a proxy or a gateway that changes or caches what the bucket returns",
            )),
            Err(error) => findings.push(self.problem("can't be read", error)),
        }
        if let Ok(meta) = within(LIMIT, self.store.head(&self.probe)).await {
            findings.extend(skewed(&meta, written));
        }
        let parts = async { self.store.put_multipart(&self.probe).await?.abort().await };
        if let Err(error) = within(LIMIT, parts).await {
            findings.push(Finding::warning(
                format!("{} can't start and abort an upload in parts ({error})", self.place),
                "allow the key s3:AbortMultipartUpload; blobs over 5 MiB are uploaded in parts",
            ));
        }
        match within(LIMIT, self.store.delete(&self.probe)).await {
            Ok(()) => findings.push(Finding::fine("objects can be removed")),
            Err(error) => findings.push(self.problem("can't be cleaned", error)),
        }
        findings
    }

    fn problem(&self, what: &str, error: BlobError) -> Finding {
        let text = match error {
            BlobError::Unavailable(reason) => reason,
            error => error.to_string(),
        };
        let advice = [
            ("NoSuchBucket", "create the bucket, or correct its name, region or endpoint"),
            ("InvalidAccessKeyId", "correct the access key: the service does not know it"),
            (
                "SignatureDoesNotMatch",
                "correct the secret key: it does not belong to the access key",
            ),
            ("RequestTimeTooSkewed", "set this machine's clock: it is too far from the service's"),
            ("UserNotFound", "correct the access key: the service does not know it"),
            ("AuthorizationHeaderMalformed", "correct the region: the bucket lies in another"),
            ("AccessDenied", "allow the key to get, put, delete and list objects of this bucket"),
            ("refuses", "correct the access key and the secret key"),
            ("quota", "make room in the bucket, or raise its quota"),
        ]
        .into_iter()
        .find_map(|(sign, advice)| text.contains(sign).then_some(advice))
        .unwrap_or("check that the service runs and can be reached from here (endpoint, network)");
        Finding::problem(format!("{} {what} ({text})", self.place), advice)
    }
}

/// A finding if the service's clock, when it stored the probe, was far from ours.
fn skewed(meta: &ObjectMeta, written: SystemTime) -> Option<Finding> {
    let stored = SystemTime::from(meta.last_modified);
    let skew = stored.duration_since(written).unwrap_or_else(|before| before.duration());
    (skew > MAX_SKEW).then(|| {
        Finding::warning(
            format!("this machine's clock and the service's are {} s apart", skew.as_secs()),
            "set the clock: S3 refuses every request once it is 15 minutes off",
        )
    })
}
