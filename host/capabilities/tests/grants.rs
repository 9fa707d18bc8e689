//! A component reaches what its manifest grants and nothing else: the backend behind is never
//! called for the rest.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    cache::{Cache, CacheError, Counter},
    documents::{
        Document, DocumentError, Documents, Filter, NewEvent, Operation, Outcome, Query,
        Transaction, Write,
    },
    grants::{Access, DocumentGrant, DocumentGrants, GrantedCache, GrantedDocuments},
};

#[derive(Default)]
struct Behind(AtomicUsize);

#[async_trait]
impl Documents for Behind {
    async fn find_one(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }

    async fn find(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    async fn count(
        &self,
        _: &str,
        _: &str,
        _: Filter,
        _: u32,
        _: Instant,
    ) -> Result<u32, DocumentError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(0)
    }

    async fn commit(&self, _: Transaction, _: Instant) -> Result<Vec<Outcome>, DocumentError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }
}

#[async_trait]
impl Cache for Behind {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CacheError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }

    async fn set(&self, _: &str, _: Bytes, _: Duration, _: bool) -> Result<bool, CacheError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }

    async fn delete(&self, _: &[String]) -> Result<(), CacheError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn increment(&self, _: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Counter { value: by, expires_in: ttl })
    }
}

fn grant(database: &str, collection: Option<&str>, access: Access) -> DocumentGrant {
    DocumentGrant {
        database: database.to_owned(),
        collection: collection.map(str::to_owned),
        access,
    }
}

fn delete_from(database: &str, collection: &str) -> Write {
    Write {
        database: database.to_owned(),
        collection: collection.to_owned(),
        operation: Operation::Delete(Filter::default()),
    }
}

#[tokio::test]
async fn documents_are_limited_to_granted_collections_and_topics() {
    let behind = Arc::new(Behind::default());
    let granted = GrantedDocuments::new(
        Arc::clone(&behind) as _,
        DocumentGrants {
            collections: vec![
                grant("chatDB", None, Access::Write),
                grant("authDB", Some("auths"), Access::Read),
            ],
            publish: vec!["request.accepted".to_owned()],
        },
    );
    let soon = Instant::now() + Duration::from_secs(1);
    granted.find("authDB", "auths", Query::default(), soon).await.unwrap();
    granted.count("chatDB", "chats", Filter::default(), 1, soon).await.unwrap();
    assert_eq!(
        granted.find_one("authDB", "secrets", Query::default(), soon).await,
        Err(DocumentError::Denied("reading authDB.secrets".to_owned()))
    );

    let commit = |writes, topic: &str| Transaction {
        id: "1".to_owned(),
        writes,
        events: vec![NewEvent { topic: topic.to_owned(), payload: Bytes::new() }],
    };
    granted
        .commit(commit(vec![delete_from("chatDB", "chats")], "request.accepted"), soon)
        .await
        .unwrap();
    let refused = granted
        .commit(
            commit(
                vec![delete_from("chatDB", "chats"), delete_from("authDB", "auths")],
                "request.accepted",
            ),
            soon,
        )
        .await;
    assert_eq!(refused, Err(DocumentError::Denied("writing authDB.auths".to_owned())));
    let refused = granted
        .commit(commit(vec![delete_from("chatDB", "chats")], "auth.user.created"), soon)
        .await;
    assert_eq!(refused, Err(DocumentError::Denied("publishing auth.user.created".to_owned())));
    assert_eq!(behind.0.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn cache_keys_are_limited_to_granted_prefixes() {
    let behind = Arc::new(Behind::default());
    let granted = GrantedCache::new(Arc::clone(&behind) as _, vec!["profile:".to_owned()]);
    granted.get("profile:1").await.unwrap();
    let refused = Err(CacheError::Denied("cache keys of session".to_owned()));
    assert_eq!(granted.get("session:1").await, refused);
    let keys = ["profile:1".to_owned(), "session:1".to_owned()];
    assert_eq!(
        granted.delete(&keys).await,
        Err(CacheError::Denied("cache keys of session".to_owned()))
    );
    assert_eq!(behind.0.load(Ordering::SeqCst), 1);
}
