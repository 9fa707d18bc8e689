//! Components' bytes, by digest. Stored in pieces, because a document holds 16 MiB at most.

use std::{fmt, str::FromStr};

use bson::{Binary, spec::BinarySubtype};
use bytes::{Bytes, BytesMut};
use pingtalk_capabilities::documents::{
    Change, Condition, DocumentError, Filter, Operation, Query, Test, Value,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    codec,
    error::ControlError,
    store::{ControlStore, now, write},
};

/// Bytes of one piece.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Largest component, in bytes.
const MAX_ARTIFACT_BYTES: usize = 64 * 1024 * 1024;

/// SHA-256 of a component's bytes, in lower-case hexadecimal. Written `sha256:…` by OCI; that form
/// is read too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Not a digest.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: write 64 hexadecimal digits")]
pub struct InvalidDigest(String);

impl Digest {
    /// The digest of these bytes. Some 500 MB/s: call it off the serving threads.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(InvalidDigest(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That an artifact is there whole.
#[derive(Serialize, Deserialize)]
struct Artifact {
    digest: Digest,
    bytes: i64,
    chunks: i64,
    stored_at: i64,
}

/// One piece's document.
#[derive(Deserialize)]
struct Stored {
    piece: Piece,
}

#[derive(Serialize, Deserialize)]
struct Piece {
    bytes: Binary,
}

fn chunk(digest: &Digest, index: i64) -> Filter {
    let mut filter = codec::texts(&[("digest", digest.as_str())]);
    let number = Condition { path: "index".to_owned(), test: Test::Eq(Value::Int64(index)) };
    filter.any_of.iter_mut().for_each(|conditions| conditions.push(number.clone()));
    filter
}

/// Copies and digests of some milliseconds are not for a thread that serves others meanwhile.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ControlError::Damaged(error.to_string()))?
}

impl ControlStore {
    /// Keeps a component's bytes. Keeping them again is harmless.
    ///
    /// # Errors
    /// When they are too many, or the store is away.
    pub async fn put_artifact(&self, digest: &Digest, bytes: &Bytes) -> Result<(), ControlError> {
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(ControlError::Invalid(format!(
                "a component of {} bytes is over the {MAX_ARTIFACT_BYTES} that can be stored",
                bytes.len()
            )));
        }
        if self.artifact_record(digest).await?.is_some() {
            return Ok(());
        }
        let mut chunks = 0;
        for piece in bytes.chunks(CHUNK_BYTES) {
            let piece = bytes.slice_ref(piece);
            let value = off_thread(move || {
                let bytes = Binary { subtype: BinarySubtype::Generic, bytes: piece.into() };
                codec::encode(&Piece { bytes })
            })
            .await?;
            let filter = chunk(digest, chunks);
            let changes = vec![Change::Set("piece".to_owned(), Value::Document(value))];
            // Somebody else may be storing the same: equal pieces overwrite each other.
            self.commit(vec![write("chunks", Operation::Update { filter, changes, upsert: true })])
                .await?;
            chunks += 1;
        }
        // Last: what has a record is whole.
        let record = Artifact {
            digest: digest.clone(),
            bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            chunks,
            stored_at: now(),
        };
        let insert = Operation::Insert { document: codec::encode(&record)?, sequence: None };
        match self.commit(vec![write("artifacts", insert)]).await {
            Ok(_) | Err(DocumentError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// True when an artifact is there whole.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn has_artifact(&self, digest: &Digest) -> Result<bool, ControlError> {
        Ok(self.artifact_record(digest).await?.is_some())
    }

    /// A component's bytes, which are what their digest says.
    ///
    /// # Errors
    /// When they are not there, damaged, or the store is away.
    pub async fn artifact(&self, digest: &Digest) -> Result<Bytes, ControlError> {
        let missing =
            || ControlError::NotFound { what: "component", name: digest.as_str().to_owned() };
        let record = self.artifact_record(digest).await?.ok_or_else(missing)?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(record.bytes).unwrap_or(0));
        // One piece at a time: together they may be more than one answer holds.
        for index in 0..record.chunks {
            let query = Query { filter: chunk(digest, index), limit: 1, ..Query::default() };
            let document = self.find_one("chunks", query).await?.ok_or_else(missing)?;
            bytes = off_thread(move || {
                let stored: Stored = codec::decode(&document)?;
                bytes.extend_from_slice(&stored.piece.bytes.bytes);
                Ok(bytes)
            })
            .await?;
        }
        let bytes = bytes.freeze();
        let found = off_thread({
            let bytes = bytes.clone();
            move || Ok(Digest::of(&bytes))
        })
        .await?;
        if found == *digest {
            Ok(bytes)
        } else {
            Err(ControlError::Damaged(format!("the component {digest} has other bytes")))
        }
    }

    async fn artifact_record(&self, digest: &Digest) -> Result<Option<Artifact>, ControlError> {
        let filter = codec::texts(&[("digest", digest.as_str())]);
        let query = Query { filter, limit: 1, ..Query::default() };
        let document = self.find_one("artifacts", query).await?;
        document.as_ref().map(codec::decode).transpose()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_digits() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.short(), "ba7816bf8f01");
        assert_eq!(format!("SHA256:{digest}").to_lowercase().parse::<Digest>().unwrap(), digest);
        for wrong in ["", "sha256:", "ba78", &"x".repeat(64)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        // What is not a digest is cut before it is shown.
        assert!("x".repeat(9_999).parse::<Digest>().unwrap_err().to_string().len() < 200);
    }
}
