//! Which collections a component may read or write, and which topics it may publish to.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

use crate::documents::{Document, DocumentError, Documents, Filter, Outcome, Query, Transaction};

/// What may be done with a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Find and count.
    Read,
    /// Also commit.
    Write,
}

/// Access to one collection, or to all of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentGrant {
    /// Database.
    pub database: String,
    /// Collection; none: every declared one of the database.
    pub collection: Option<String>,
    /// How far it goes.
    pub access: Access,
}

/// Everything a component may do with documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentGrants {
    /// Collections.
    pub collections: Vec<DocumentGrant>,
    /// Topics, compared exactly.
    pub publish: Vec<String>,
}

impl DocumentGrants {
    fn check(&self, database: &str, collection: &str, wanted: Access) -> Result<(), DocumentError> {
        let allowed = self.collections.iter().any(|grant| {
            grant.database == database
                && grant.collection.as_deref().is_none_or(|name| name == collection)
                && grant.access >= wanted
        });
        if allowed {
            return Ok(());
        }
        let verb = match wanted {
            Access::Read => "reading",
            Access::Write => "writing",
        };
        Err(DocumentError::Denied(format!("{verb} {database}.{collection}")))
    }
}

/// Documents as one component may use them.
pub struct GrantedDocuments {
    inner: Arc<dyn Documents>,
    grants: DocumentGrants,
}

impl GrantedDocuments {
    /// Puts the grants in front of a tenant's documents.
    #[must_use]
    pub fn new(inner: Arc<dyn Documents>, grants: DocumentGrants) -> Self {
        Self { inner, grants }
    }
}

#[async_trait]
impl Documents for GrantedDocuments {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        self.grants.check(database, collection, Access::Read)?;
        self.inner.find_one(database, collection, query, deadline).await
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        self.grants.check(database, collection, Access::Read)?;
        self.inner.find(database, collection, query, deadline).await
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError> {
        self.grants.check(database, collection, Access::Read)?;
        self.inner.count(database, collection, filter, limit, deadline).await
    }

    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        for write in &transaction.writes {
            self.grants.check(&write.database, &write.collection, Access::Write)?;
        }
        for event in &transaction.events {
            if !self.grants.publish.contains(&event.topic) {
                return Err(DocumentError::Denied(format!("publishing {}", event.topic)));
            }
        }
        self.inner.commit(transaction, deadline).await
    }
}
