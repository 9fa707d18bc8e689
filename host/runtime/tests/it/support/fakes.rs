//! Capabilities that record what they were asked, and answer slowly or never when told to.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    cache::{Cache, CacheError, Counter},
    calls::Body,
    documents::{
        Document, DocumentError, Documents, Filter, Operation, Outcome, Query, Transaction,
    },
    sockets::{Message, SocketError, Sockets, Target},
};
use pingtalk_runtime::{Capabilities, Variables};

/// What was asked, in words.
#[derive(Default)]
pub struct Fake {
    pub asked: Mutex<Vec<String>>,
}

impl Fake {
    fn record(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub fn capabilities() -> Capabilities {
    granted(&Arc::new(Fake::default()))
}

pub fn granted(fake: &Arc<Fake>) -> Capabilities {
    Capabilities {
        documents: Some(Arc::<Fake>::clone(fake)),
        cache: Some(Arc::<Fake>::clone(fake)),
        blobs: Some(Arc::<Fake>::clone(fake)),
        sockets: Some(Arc::<Fake>::clone(fake)),
        variables: Variables::from_iter([("greeting".to_owned(), "hi".to_owned())]),
        ..Capabilities::default()
    }
}

#[async_trait]
impl Cache for Fake {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        if let Some(millis) = key.strip_prefix("slow:") {
            tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
        }
        match key {
            "never" => std::future::pending().await,
            "denied" => Err(CacheError::Denied("key".to_owned())),
            "absent" => Ok(None),
            _ => Ok(Some(Bytes::copy_from_slice(key.as_bytes()))),
        }
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        self.record(format!("set {key} {value:?} {ttl:?} {only_if_absent}"));
        Ok(true)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), CacheError> {
        self.record(format!("delete {keys:?}"));
        Err(CacheError::Unavailable("away".to_owned()))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        self.record(format!("increment {key} {by} {ttl:?}"));
        Ok(Counter { value: 42, expires_in: Duration::from_millis(7) })
    }
}

#[async_trait]
impl Documents for Fake {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        assert!(deadline > Instant::now());
        self.record(format!("find_one {database} {collection} {query:?}"));
        Ok(Some(Bytes::from_static(&[5, 0, 0, 0, 0])))
    }

    async fn find(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        Ok(vec![Bytes::from(vec![0; 100]), Bytes::from(vec![0; 16 << 20])])
    }

    async fn count(
        &self,
        _: &str,
        _: &str,
        _: Filter,
        limit: u32,
        _: Instant,
    ) -> Result<u32, DocumentError> {
        Ok(limit)
    }

    async fn commit(
        &self,
        transaction: Transaction,
        _: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        let [write] = transaction.writes.as_slice() else { panic!("one write") };
        let Operation::Insert { document, sequence } = &write.operation else { panic!("insert") };
        self.record(format!(
            "commit {} {sequence:?} {:?}",
            transaction.id,
            transaction.events.iter().map(|event| &event.topic).collect::<Vec<_>>()
        ));
        if document.is_empty() {
            return Err(DocumentError::Conflict("email".to_owned()));
        }
        Ok(vec![Outcome::Inserted(document.clone())])
    }
}

#[async_trait]
impl Blobs for Fake {
    async fn put(
        &self,
        container: &str,
        name: &str,
        mut content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        let mut size = 0;
        while let Some(frame) = content.frame().await {
            let chunk = frame.unwrap().into_data().unwrap();
            assert!(chunk.len() <= 64 * 1024);
            size += chunk.len() as u64;
            if size > bounds.max_size {
                return Err(BlobError::TooLarge);
            }
        }
        Ok(BlobInfo {
            size,
            content_type: bounds.accept.join(","),
            url: format!("https://files.test/{container}/{name}"),
        })
    }

    async fn get(&self, _: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let size: usize = name.parse().map_err(|_| BlobError::NotFound)?;
        let info = BlobInfo {
            size: size as u64,
            content_type: "image/png".to_owned(),
            url: String::new(),
        };
        let body = Full::new(Bytes::from(vec![1; size])).map_err(|never| match never {});
        Ok((info, Body::new(body)))
    }

    async fn head(&self, _: &str, _: &str) -> Result<BlobInfo, BlobError> {
        Err(BlobError::NotFound)
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), BlobError> {
        Ok(())
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        Ok(None)
    }
}

#[async_trait]
impl Sockets for Fake {
    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        self.record(format!("emit {target:?} {message:?} {sequence:?} {except:?}"));
        Ok(())
    }

    async fn join(&self, _: Target, _: &str, _: bool) -> Result<(), SocketError> {
        Ok(())
    }

    async fn release(&self, _: Target, _: &str, _: u64) -> Result<(), SocketError> {
        Ok(())
    }

    async fn leave(&self, _: Target, _: &str) -> Result<(), SocketError> {
        Ok(())
    }

    async fn disconnect(&self, _: Target, _: Option<String>) -> Result<(), SocketError> {
        Ok(())
    }
}
