//! Tenants: made, changed, found, and the host names that lead to them.

use pingtalk_capabilities::{
    TenantId,
    documents::{
        Change, Condition, Direction, Document, DocumentError, Operation, Query, SortKey, Test,
        Value,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    codec,
    error::ControlError,
    record::TenantRecord,
    store::{ControlStore, now, text, write},
};

/// How often a change is applied again because others changed the tenant in between.
const ATTEMPTS: u32 = 20;
/// Tenants read at once.
const PAGE: u32 = 500;
/// Longest host name (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// A tenant's document: what is looked for stands outside the record.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    /// Counts the changes.
    revision: i64,
    record: TenantRecord,
}

/// Whose a host name is.
#[derive(Serialize, Deserialize)]
struct Claim {
    host: String,
    tenant: String,
}

impl ControlStore {
    /// Every tenant, by name.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn tenants(&self) -> Result<Vec<TenantRecord>, ControlError> {
        let mut tenants: Vec<TenantRecord> = Vec::new();
        loop {
            let after = tenants.last().map_or("", |tenant| tenant.name.as_str());
            let test = Test::Gt(text(after));
            let query = Query {
                filter: pingtalk_capabilities::documents::Filter {
                    any_of: vec![vec![Condition { path: "name".to_owned(), test }]],
                },
                sort: vec![SortKey { path: "name".to_owned(), direction: Direction::Ascending }],
                limit: PAGE,
                ..Query::default()
            };
            let page: Vec<Stored> = codec::decode_all(&self.find("tenants", query).await?)?;
            let last = page.len() < PAGE as usize;
            tenants.extend(page.into_iter().map(|stored| stored.record));
            if last {
                return Ok(tenants);
            }
        }
    }

    /// One tenant.
    ///
    /// # Errors
    /// When there is none of this name, or the store is away.
    pub async fn tenant(&self, name: &str) -> Result<TenantRecord, ControlError> {
        Ok(self.stored(name).await?.record)
    }

    /// Makes a tenant without a release.
    ///
    /// # Errors
    /// When the name can't be one or is taken, or the store is away.
    pub async fn create_tenant(&self, name: &str) -> Result<TenantRecord, ControlError> {
        TenantId::new(name).map_err(|error| ControlError::Invalid(error.to_string()))?;
        let at = now();
        let record = TenantRecord {
            name: name.to_owned(),
            created_at: at,
            changed_at: at,
            ..TenantRecord::default()
        };
        let stored = Stored { name: name.to_owned(), revision: 1, record: record.clone() };
        let insert = Operation::Insert { document: codec::encode(&stored)?, sequence: None };
        match self.change(vec![write("tenants", insert)]).await {
            Ok(_) => Ok(record),
            Err(DocumentError::Conflict(_)) => {
                Err(ControlError::Exists { what: "tenant", name: name.to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Applies a change to a tenant as it is now, again if others were faster. Host names are
    /// changed by [`ControlStore::claim_host`] and [`ControlStore::release_host`].
    ///
    /// # Errors
    /// Those of `change`, and when there is no such tenant or the store is away.
    pub async fn change_tenant(
        &self,
        name: &str,
        change: impl Fn(&mut TenantRecord) -> Result<(), ControlError> + Send + Sync,
    ) -> Result<TenantRecord, ControlError> {
        for _ in 0..ATTEMPTS {
            let Stored { revision, mut record, .. } = self.stored(name).await?;
            change(&mut record)?;
            record.changed_at = now();
            let mut filter = codec::texts(&[("name", name)]);
            if let Some(conditions) = filter.any_of.first_mut() {
                let test = Test::Eq(Value::Int64(revision));
                conditions.push(Condition { path: "revision".to_owned(), test });
            }
            let changes = vec![
                Change::Set("record".to_owned(), Value::Document(codec::encode(&record)?)),
                Change::Set("revision".to_owned(), Value::Int64(revision + 1)),
            ];
            let update = Operation::Update { filter, changes, upsert: false };
            match self.change(vec![write("tenants", update)]).await {
                Ok(_) => return Ok(record),
                Err(DocumentError::Unmatched) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ControlError::Busy(name.to_owned()))
    }

    /// Removes a tenant and frees its host names. Its data stay where they are, and so does its
    /// history.
    ///
    /// # Errors
    /// When there is no such tenant, or the store is away.
    pub async fn remove_tenant(&self, name: &str) -> Result<TenantRecord, ControlError> {
        let record = self.tenant(name).await?;
        let writes = vec![
            write("tenants", Operation::Delete(codec::texts(&[("name", name)]))),
            write("hosts", Operation::DeleteAll(codec::texts(&[("tenant", name)]))),
        ];
        match self.change(writes).await {
            Ok(_) => Ok(record),
            Err(DocumentError::Unmatched) => Err(no_tenant(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Leads a host name to a tenant.
    ///
    /// # Errors
    /// When it is not a host name or belongs to another tenant, when there is no such tenant, or
    /// the store is away.
    pub async fn claim_host(&self, name: &str, host: &str) -> Result<TenantRecord, ControlError> {
        let host = host_name(host)?;
        self.tenant(name).await?;
        let claim = Claim { host: host.clone(), tenant: name.to_owned() };
        let insert = Operation::Insert { document: codec::encode(&claim)?, sequence: None };
        // The claim first: a host that dies after it leaves a name that nobody else can take,
        // and claiming it again goes on from there.
        match self.commit(vec![write("hosts", insert)]).await {
            Ok(_) => {}
            Err(DocumentError::Conflict(_)) => {
                let query = Query {
                    filter: codec::texts(&[("host", &host)]),
                    limit: 1,
                    ..Query::default()
                };
                if let Some(document) = self.find_one("hosts", query).await? {
                    let Claim { tenant, .. } = codec::decode(&document)?;
                    if tenant != name {
                        return Err(ControlError::HostTaken { host, tenant });
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.change_tenant(name, |record| {
            record.hosts.insert(host.clone());
            Ok(())
        })
        .await
    }

    /// Takes a host name from a tenant.
    ///
    /// # Errors
    /// When the tenant does not have it, or the store is away.
    pub async fn release_host(&self, name: &str, host: &str) -> Result<TenantRecord, ControlError> {
        let host = host_name(host)?;
        let record = self
            .change_tenant(name, |record| {
                if record.hosts.remove(&host) {
                    return Ok(());
                }
                Err(ControlError::NotFound { what: "host name", name: host.clone() })
            })
            .await?;
        let delete = Operation::DeleteAll(codec::texts(&[("host", &host), ("tenant", name)]));
        self.commit(vec![write("hosts", delete)]).await?;
        Ok(record)
    }

    async fn stored(&self, name: &str) -> Result<Stored, ControlError> {
        let query = Query { filter: codec::texts(&[("name", name)]), limit: 1, ..Query::default() };
        let document: Option<Document> = self.find_one("tenants", query).await?;
        codec::decode(&document.ok_or_else(|| no_tenant(name))?)
    }
}

fn no_tenant(name: &str) -> ControlError {
    ControlError::NotFound { what: "tenant", name: name.to_owned() }
}

/// A host name in lower case: letters, digits and hyphens between dots (RFC 1123, section 2.1), or
/// an address.
fn host_name(text: &str) -> Result<String, ControlError> {
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if host.len() <= MAX_HOST_BYTES
        && (host.split('.').all(label) || address.parse::<std::net::IpAddr>().is_ok())
    {
        return Ok(host);
    }
    Err(ControlError::Invalid(format!(
        "`{}` is not a host name: write it without scheme and port, such as chat.example.com",
        text.chars().take(80).collect::<String>()
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::host_name;

    #[test]
    fn host_names_are_brought_to_one_form() {
        assert_eq!(host_name("Chat.Example.COM.").unwrap(), "chat.example.com");
        assert_eq!(host_name("localhost").unwrap(), "localhost");
        assert_eq!(host_name("127.0.0.1").unwrap(), "127.0.0.1");
        assert_eq!(host_name("[::1]").unwrap(), "[::1]");
        for wrong in
            ["", ".", "a..b", "-a.b", "http://a.b", "a.b:80", "a b", "ä.de", &"a".repeat(64)]
        {
            assert!(host_name(wrong).is_err(), "{wrong}");
        }
    }
}
