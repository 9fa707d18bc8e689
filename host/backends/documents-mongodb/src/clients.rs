//! Clients, one for each URI, and which database of which server holds a tenant's.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use mongodb::{
    Client,
    options::{
        Acknowledgment, ClientOptions, ConnectionString, ReadConcern, ReadPreference,
        SelectionCriteria, WriteConcern,
    },
};
use pingtalk_capabilities::{TenantId, documents::DocumentError};

use crate::{
    Config,
    database::Database,
    error::{classify, invalid},
};

/// What tenants' databases begin with. A manifest's names have the same alphabet, so the default
/// tenant may not use the prefix; a tenant's name has no `_`, so the next one ends it.
const PREFIX: &str = "t_";
/// Longest database name, in bytes.
const MAX_NAME_BYTES: usize = 63;

pub(crate) struct Clients {
    config: Config,
    open: Mutex<HashMap<String, Client>>,
}

impl Clients {
    /// Checks that the URIs can be read; nothing is connected yet.
    pub(crate) fn new(config: Config) -> Result<Self, DocumentError> {
        for (name, uri) in std::iter::once(("uri", &config.uri))
            .chain(config.database_uris.iter().map(|(name, uri)| (name.as_str(), uri)))
        {
            // The driver's own message may repeat parts of the URI.
            ConnectionString::parse(uri)
                .map_err(|_| invalid(format!("the MongoDB URI of `{name}` can't be read")))?;
        }
        Ok(Self { config, open: Mutex::default() })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The database that holds a tenant's `name`.
    pub(crate) async fn database(
        &self,
        tenant: &TenantId,
        name: &str,
        deadline: Instant,
    ) -> Result<Database, DocumentError> {
        let (uri, name) = place(&self.config, tenant, name)?;
        Ok(Database::new(self.client(uri, deadline).await?.database(&name), uri))
    }

    /// The client for a URI.
    pub(crate) async fn client(
        &self,
        uri: &str,
        deadline: Instant,
    ) -> Result<Client, DocumentError> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = open().get(uri) {
            return Ok(client.clone());
        }
        // Of `mongodb+srv` URIs the DNS is asked here, which may be away for a while.
        let parsed = tokio::time::timeout_at(deadline.into(), ClientOptions::parse(uri)).await;
        let mut options = parsed
            .map_err(|_| DocumentError::DeadlineExceeded)?
            .map_err(|error| classify(&error))?;
        options.app_name.get_or_insert_with(|| "pingtalk".to_owned());
        options.max_pool_size = Some(self.config.max_connections.max(1));
        options.connect_timeout = Some(self.config.connect_timeout);
        options.server_selection_timeout = Some(self.config.selection_timeout);
        // A commit carries its own id, which makes repeating it harmless on any server.
        options.retry_writes = Some(false);
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).build());
        // From the primary, what it has: it sees its own writes at once. Decisions rest on the
        // writes' own filters, never on what was read.
        options.read_concern = Some(ReadConcern::local());
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let client = Client::with_options(options).map_err(|error| classify(&error))?;
        // Somebody may have been faster; then theirs serves all.
        Ok(open().entry(uri.to_owned()).or_insert(client).clone())
    }
}

/// The URI and the database there.
fn place<'c>(
    config: &'c Config,
    tenant: &TenantId,
    name: &str,
) -> Result<(&'c str, String), DocumentError> {
    if !tenant.is_default() {
        let full = format!("{PREFIX}{tenant}_{name}");
        if full.len() > MAX_NAME_BYTES {
            return Err(invalid(format!(
                "the database `{name}` of tenant `{tenant}` would be named `{full}`, which is over \
                 MongoDB's 63 bytes: shorten one of the names"
            )));
        }
        return Ok((&config.uri, full));
    }
    if let Some(uri) = config.database_uris.get(name) {
        let parsed = ConnectionString::parse(uri)
            .map_err(|_| invalid(format!("the MongoDB URI of `{name}` can't be read")))?;
        return Ok((uri, parsed.default_database.unwrap_or_else(|| name.to_owned())));
    }
    if name.starts_with(PREFIX) {
        return Err(invalid(format!(
            "the database `{name}` can't be used: names that start with `{PREFIX}` are other tenants'"
        )));
    }
    Ok((&config.uri, name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tenants_names_never_meet() {
        let mut config = Config::new("mongodb://host/admin");
        config.database_uris.insert("authDB".into(), "mongodb://other/auth".into());
        config.database_uris.insert("chatDB".into(), "mongodb://other".into());
        let default = TenantId::default_tenant();
        let at = |tenant: &TenantId, name: &str| {
            place(&config, tenant, name).map(|(uri, name)| (uri.to_owned(), name))
        };
        let pair = |uri: &str, name: &str| Ok((uri.to_owned(), name.to_owned()));
        assert_eq!(at(&default, "authDB"), pair("mongodb://other/auth", "auth"));
        assert_eq!(at(&default, "chatDB"), pair("mongodb://other", "chatDB"));
        assert_eq!(at(&default, "profileDB"), pair("mongodb://host/admin", "profileDB"));
        assert!(at(&default, "t_a_authDB").is_err());
        let tenant = TenantId::new("a-b").unwrap();
        assert_eq!(at(&tenant, "authDB"), pair("mongodb://host/admin", "t_a-b_authDB"));
        assert!(at(&tenant, &"x".repeat(60)).is_err());
    }

    #[test]
    fn unreadable_uris_are_refused_without_repeating_them() {
        let error = Clients::new(Config::new("mongodb://user:secret@/")).err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
