//! The values of a tenant's variables.

use std::collections::BTreeMap;

use pingtalk_manifest::Manifest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::control::{ControlError, ControlKey, ControlStore, TenantRecord};

/// What the operator set: variables, and secrets opened.
///
/// # Errors
/// When a secret was sealed with another key.
pub fn values(
    key: &ControlKey,
    tenant: &TenantRecord,
) -> Result<BTreeMap<String, String>, ControlError> {
    let mut values = tenant.variables.clone();
    for (name, sealed) in &tenant.secrets {
        values.insert(name.clone(), key.open(&tenant.name, name, sealed)?);
    }
    Ok(values)
}

/// Makes the secrets that a manifest requires and nobody set, so that a tenant works without being
/// given any.
pub(crate) async fn fill_secrets(
    store: &ControlStore,
    key: &ControlKey,
    tenant: &str,
    manifest: &Manifest,
) -> Result<(), ControlError> {
    let mut made = BTreeMap::new();
    for (name, variable) in &manifest.variables {
        if variable.secret && variable.default.is_none() {
            made.insert(name.clone(), key.seal(tenant, name, &random()?)?);
        }
    }
    let record = store.tenant(tenant).await?;
    let is_set = |record: &TenantRecord, name: &String| {
        record.secrets.contains_key(name) || record.variables.contains_key(name)
    };
    if made.keys().all(|name| is_set(&record, name)) {
        return Ok(());
    }
    store
        .change_tenant(tenant, |record| {
            for (name, secret) in &made {
                if !is_set(record, name) {
                    record.secrets.insert(name.clone(), secret.clone());
                }
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// 256 random bits in hexadecimal.
fn random() -> Result<String, ControlError> {
    let mut bytes = [0; 32];
    let broken = |_| ControlError::Invalid("the system has no randomness".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(broken)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
