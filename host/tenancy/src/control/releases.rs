//! Releases and the order in which they came into force.

use std::collections::BTreeMap;

use pingtalk_capabilities::documents::{DocumentError, Operation, Outcome, Query, Sequence};
use sha2::{Digest as _, Sha256};

use super::{
    artifacts::Digest,
    codec,
    error::ControlError,
    record::{DeploymentRecord, ReleaseRecord},
    store::{ControlStore, write},
};

/// Digits of a release's id: 48 bits tell a tenant's releases apart.
const ID_DIGITS: usize = 12;
/// Most entries of a list.
const MAX_LIST: u32 = 200;

impl ReleaseRecord {
    /// The id of a release with this content.
    #[must_use]
    pub fn id_of(manifest: &str, components: &BTreeMap<String, Digest>) -> String {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // Lengths keep parts apart: no two contents look alike.
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(manifest.as_bytes());
        for (name, digest) in components {
            part(name.as_bytes());
            part(digest.as_str().as_bytes());
        }
        let digest = hasher.finalize();
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.chars().take(ID_DIGITS).collect()
    }
}

impl ControlStore {
    /// Keeps a release. Keeping it again is harmless: the first record stays.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn add_release(&self, release: &ReleaseRecord) -> Result<(), ControlError> {
        let insert = Operation::Insert { document: codec::encode(release)?, sequence: None };
        match self.commit(vec![write("releases", insert)]).await {
            Ok(_) | Err(DocumentError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// One release of a tenant.
    ///
    /// # Errors
    /// When there is none of this id, or the store is away.
    pub async fn release(&self, tenant: &str, id: &str) -> Result<ReleaseRecord, ControlError> {
        let filter = codec::texts(&[("tenant", tenant), ("id", id)]);
        let query = Query { filter, limit: 1, ..Query::default() };
        let missing = || ControlError::NotFound { what: "release", name: id.to_owned() };
        codec::decode(&self.find_one("releases", query).await?.ok_or_else(missing)?)
    }

    /// A tenant's releases, the newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn releases(&self, tenant: &str) -> Result<Vec<ReleaseRecord>, ControlError> {
        let filter = codec::texts(&[("tenant", tenant)]);
        let query = codec::newest(filter, "created_at", MAX_LIST);
        codec::decode_all(&self.find("releases", query).await?)
    }

    /// Notes that a release came into force; returns the note's number.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn add_deployment(&self, record: &DeploymentRecord) -> Result<i64, ControlError> {
        let sequence =
            Some(Sequence { field: "number".to_owned(), within: vec!["tenant".to_owned()] });
        let insert = Operation::Insert { document: codec::encode(record)?, sequence };
        let outcomes = self.commit(vec![write("deployments", insert)]).await?;
        match outcomes.first() {
            Some(Outcome::Inserted(document)) => {
                Ok(codec::decode::<DeploymentRecord>(document)?.number)
            }
            _ => Err(ControlError::Damaged("an insert did not insert".to_owned())),
        }
    }

    /// A tenant's deployments, the newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn deployments(&self, tenant: &str) -> Result<Vec<DeploymentRecord>, ControlError> {
        let query = codec::newest(codec::texts(&[("tenant", tenant)]), "number", MAX_LIST);
        codec::decode_all(&self.find("deployments", query).await?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_is_one_release() {
        let components =
            |name: &str, bytes: &[u8]| BTreeMap::from([(name.to_owned(), Digest::of(bytes))]);
        let id = ReleaseRecord::id_of("m", &components("auth", b"1"));
        assert_eq!(id.len(), ID_DIGITS);
        assert_eq!(id, ReleaseRecord::id_of("m", &components("auth", b"1")));
        assert_ne!(id, ReleaseRecord::id_of("n", &components("auth", b"1")));
        assert_ne!(id, ReleaseRecord::id_of("m", &components("auth", b"2")));
        assert_ne!(id, ReleaseRecord::id_of("m", &components("chat", b"1")));
    }
}
