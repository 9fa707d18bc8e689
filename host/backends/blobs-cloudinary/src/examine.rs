//! `pingtalk doctor` for an account: asks with the key, then stores, reads and removes a small blob.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, Blobs, Bounds},
    checkup::Finding,
};

use crate::{api::Api, backend::CloudinaryBlobs, config::Config};

/// A picture of one pixel, which Cloudinary has to deliver as it was.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\
    \x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9bU\
    \x00\x00\x00\x0aIDATx\xdac\xf8\x0f\x00\x01\x01\x01\x00\x1c\xb0\x8c\x99\
    \x00\x00\x00\x00IEND\xaeB\x60\x82";
const CONTAINER: &str = "doctor";

/// Looks at the account.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut config = config.clone();
    // An operator waits for this.
    config.call_time_out = config.call_time_out.min(Duration::from_secs(4));
    let account = format!("the Cloudinary account {}", config.cloud_name);
    let checked = Api::new(config.clone()).and_then(|api| Ok((api, CloudinaryBlobs::new(config)?)));
    let (api, backend) = match checked {
        Ok(parts) => parts,
        Err(error) => {
            return vec![Finding::problem(error.to_string(), "correct the Cloudinary settings")];
        }
    };
    if let Err(error) = api.ping().await {
        return vec![problem(&account, "can't be asked", error)];
    }
    let mut findings = vec![Finding::fine(format!("{account} takes the key"))];
    // Whatever tenant there is, this container of it is ours.
    match backend.open(&TenantId::default_tenant()).await {
        Ok(blobs) => findings.push(match store_and_read(&blobs).await {
            Ok(()) => Finding::fine("blobs come back as they were stored"),
            Err((what, error)) => problem(&account, what, error),
        }),
        Err(error) => findings.push(problem(&account, "can't be opened", error)),
    }
    findings
}

async fn store_and_read(blobs: &Arc<dyn Blobs>) -> Result<(), (&'static str, BlobError)> {
    let name = format!("{:016x}.png", rand::random::<u64>());
    let body = Full::new(Bytes::from_static(PIXEL)).map_err(|never| match never {}).boxed_unsync();
    let bounds = Bounds { max_size: 1_024, accept: Vec::new() };
    let stored = blobs.put(CONTAINER, &name, body, bounds).await;
    let read = match &stored {
        Ok(_) => read(blobs, &name).await,
        Err(_) => Ok(()),
    };
    // Also after an upload that failed: it may be there all the same.
    let removed = blobs.delete(CONTAINER, &name).await;
    stored.map_err(|error| ("can't store", error))?;
    read.map_err(|error| ("can't deliver", error))?;
    removed.map_err(|error| ("can't remove", error))
}

async fn read(blobs: &Arc<dyn Blobs>, name: &str) -> Result<(), BlobError> {
    let (_, content) = blobs.get(CONTAINER, name).await?;
    let content = content.collect().await;
    if content.is_ok_and(|content| content.to_bytes() == PIXEL) {
        Ok(())
    } else {
        Err(BlobError::Unavailable("other bytes than were stored".to_owned()))
    }
}

fn problem(account: &str, what: &str, error: BlobError) -> Finding {
    let text = match error {
        BlobError::Unavailable(reason) => reason,
        error => error.to_string(),
    };
    let advice = [
        ("API secret", "correct the API secret, or set the signature algorithm the account wants"),
        ("API key", "correct the API key and secret: they belong to one cloud name"),
        ("clock", "set this machine's clock: signatures are good for an hour"),
        ("incoming transformation", "remove the account's incoming transformation"),
        ("rate limit", "wait for the rate limit to pass, or raise the account's plan"),
        ("other bytes", "look for account settings that transform or strip what is delivered"),
        ("status 404", "correct the cloud name"),
    ]
    .into_iter()
    .find_map(|(sign, advice)| text.contains(sign).then_some(advice))
    .unwrap_or("check that Cloudinary's API can be reached from here");
    Finding::problem(format!("{account} {what} ({text})"), advice)
}
