//! The audit log: every change that somebody made or tried to make.

use pingtalk_capabilities::documents::{Operation, Query, Sequence};
use serde::{Deserialize, Serialize};

use super::{
    codec,
    error::ControlError,
    record::AuditEntry,
    store::{ControlStore, write},
};

/// There is one log; its entries are numbered within it.
const LOG: &str = "host";
/// Most entries of a look.
const MAX_LIST: u32 = 500;
/// Longest text of an entry, in characters.
const MAX_TEXT: usize = 500;

#[derive(Serialize, Deserialize)]
struct Stored {
    log: String,
    #[serde(flatten)]
    entry: AuditEntry,
}

impl ControlStore {
    /// Writes an entry.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn audit(&self, mut entry: AuditEntry) -> Result<(), ControlError> {
        for text in [&mut entry.detail, &mut entry.outcome, &mut entry.action, &mut entry.tenant] {
            if text.len() > MAX_TEXT {
                *text = text.chars().take(MAX_TEXT).collect();
            }
        }
        let stored = Stored { log: LOG.to_owned(), entry };
        let sequence =
            Some(Sequence { field: "number".to_owned(), within: vec!["log".to_owned()] });
        let insert = Operation::Insert { document: codec::encode(&stored)?, sequence };
        self.commit(vec![write("audit", insert)]).await?;
        Ok(())
    }

    /// The newest entries, the newest first; those of one tenant if it is named.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn audit_log(
        &self,
        tenant: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ControlError> {
        let mut pairs = vec![("log", LOG)];
        pairs.extend(tenant.map(|tenant| ("tenant", tenant)));
        let query: Query = codec::newest(codec::texts(&pairs), "number", limit.clamp(1, MAX_LIST));
        let stored: Vec<Stored> = codec::decode_all(&self.find("audit", query).await?)?;
        Ok(stored.into_iter().map(|stored| stored.entry).collect())
    }
}
