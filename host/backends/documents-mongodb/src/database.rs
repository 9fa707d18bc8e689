//! One database on its server: each command bounded in time on both sides.
//!
//! The server gets the time left as `maxTimeMS`; this side waits a little longer, so that the
//! server's own answer is preferred, and gives up then. Documents from the server are slices of its
//! replies, never parsed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{
    Bson, Document, doc,
    raw::{RawArrayBuf, RawDocument, RawDocumentBuf},
    rawdoc,
};
use bytes::Bytes;
use futures_util::StreamExt;
use mongodb::{options::ReturnDocument, raw_batch_cursor::RawBatch};
use pingtalk_capabilities::{documents::DocumentError, storage::Stored};

use crate::error::{by_code, classify, damaged};

/// Statements of one update. Few, so that nobody's write waits long behind them; and FerretDB keeps a
/// connection to its store for each until the command ends, has a hundred, and would wait for the next
/// one for ever.
const STATEMENTS: usize = 50;

/// How much longer than the server this side waits.
const SLACK: Duration = Duration::from_millis(250);

/// A query in MongoDB's words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Find {
    pub(crate) filter: Document,
    pub(crate) sort: Document,
    pub(crate) projection: Document,
    pub(crate) limit: u32,
}

/// One change of one document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modify {
    pub(crate) filter: Document,
    pub(crate) update: Document,
    pub(crate) upsert: bool,
}

/// A database.
#[derive(Clone)]
pub(crate) struct Database {
    inner: mongodb::Database,
    /// Its URI and name.
    place: Arc<(String, String)>,
}

impl Database {
    pub(crate) fn new(inner: mongodb::Database, uri: &str) -> Self {
        let place = Arc::new((uri.to_owned(), inner.name().to_owned()));
        Self { inner, place }
    }

    /// True when both are one database of one server, as far as this side can tell.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Runs a command and returns its reply.
    pub(crate) async fn command(
        &self,
        command: RawDocumentBuf,
        deadline: Instant,
    ) -> Result<Document, DocumentError> {
        let reply = self.reply(command, deadline).await?;
        let failed = write_errors(&reply).next();
        failed.map_or(Ok(reply), |(_, error)| Err(error))
    }

    /// A reply, which may tell of writes that failed.
    async fn reply(
        &self,
        mut command: RawDocumentBuf,
        deadline: Instant,
    ) -> Result<Document, DocumentError> {
        let left = i64::try_from(left(deadline)?.as_millis()).unwrap_or(i64::MAX);
        command.append(bson::cstr!("maxTimeMS"), left);
        let reply = within(deadline, self.inner.run_raw_command(command).into_future()).await?;
        if let Ok(error) = reply.get_document("writeConcernError") {
            // It may have happened on too few members.
            return Err(DocumentError::Unavailable(text(error)));
        }
        Ok(reply)
    }

    /// Inserts several documents and says which were refused.
    pub(crate) async fn insert_all(
        &self,
        collection: &str,
        documents: &[RawDocumentBuf],
        deadline: Instant,
    ) -> Result<Vec<usize>, DocumentError> {
        let mut array = RawArrayBuf::new();
        documents.iter().for_each(|document| array.push(document));
        let command = rawdoc! {
            "insert": collection, "documents": array, "ordered": false,
            "writeConcern": {"w": "majority"},
        };
        let reply = self.reply(command, deadline).await?;
        Ok(write_errors(&reply).map(|(at, _)| at).collect())
    }

    /// Inserts one document. `Conflict` when a unique index refuses it.
    pub(crate) async fn insert(
        &self,
        collection: &str,
        document: &RawDocument,
        deadline: Instant,
    ) -> Result<(), DocumentError> {
        let mut documents = RawArrayBuf::new();
        documents.push(document);
        let command = rawdoc! {
            "insert": collection, "documents": documents, "writeConcern": {"w": "majority"},
        };
        self.command(command, deadline).await.map(drop)
    }

    /// Changes the first match and returns it afterwards, or nothing where nothing matches.
    pub(crate) async fn modify(
        &self,
        collection: &str,
        modify: Modify,
        deadline: Instant,
    ) -> Result<Option<Bytes>, DocumentError> {
        let collection = self.inner.collection::<RawDocumentBuf>(collection);
        let call = collection
            .find_one_and_update(modify.filter, modify.update)
            .upsert(modify.upsert)
            .return_document(ReturnDocument::After)
            .max_time(left(deadline)?);
        let found = within(deadline, call.into_future()).await?;
        Ok(found.map(|document| document.into_bytes().into()))
    }

    /// Changes matches without looking at them; several statements in one command. Returns how many
    /// matched in all.
    pub(crate) async fn update(
        &self,
        collection: &str,
        statements: Vec<Document>,
        deadline: Instant,
    ) -> Result<u64, DocumentError> {
        let mut matched = 0;
        for statements in statements.chunks(STATEMENTS) {
            let command = doc! {
                "update": collection, "updates": statements.to_vec(), "ordered": false,
                "writeConcern": {"w": "majority"},
            };
            matched += self.matched(&command, deadline).await?;
        }
        Ok(matched)
    }

    /// Deletes the first match, or all. Returns how many.
    pub(crate) async fn delete(
        &self,
        collection: &str,
        filter: Document,
        all: bool,
        deadline: Instant,
    ) -> Result<u64, DocumentError> {
        let command = doc! {
            "delete": collection, "deletes": [{"q": filter, "limit": i32::from(!all)}],
            "writeConcern": {"w": "majority"},
        };
        self.matched(&command, deadline).await
    }

    async fn matched(&self, command: &Document, deadline: Instant) -> Result<u64, DocumentError> {
        let command = RawDocumentBuf::try_from(command).map_err(|_| damaged("own command"))?;
        let reply = self.command(command, deadline).await?;
        let count = match reply.get("n") {
            Some(Bson::Int32(count)) => i64::from(*count),
            Some(Bson::Int64(count)) => *count,
            _ => 0,
        };
        Ok(count.try_into().unwrap_or(0))
    }

    /// All matches up to the limit, and up to `max_bytes` in all: what would go beyond is left out,
    /// from the end.
    pub(crate) async fn find(
        &self,
        collection: &str,
        find: Find,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<Vec<Bytes>, DocumentError> {
        let collection = self.inner.collection::<RawDocumentBuf>(collection);
        let call = collection
            .find(find.filter)
            .sort(find.sort)
            .projection(find.projection)
            .limit(i64::from(find.limit))
            .batch_size(find.limit)
            .max_time(left(deadline)?);
        let mut cursor = within(deadline, call.batch()).await?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let next = async { cursor.next().await.transpose() };
            let Some(batch) = within(deadline, next).await? else { return Ok(found) };
            let reply = Bytes::from_owner(Reply(batch.clone()));
            for document in &Reply(batch).documents()? {
                bytes += document.len();
                if bytes > max_bytes {
                    return Ok(found);
                }
                found.push(reply.slice(document.clone()));
            }
        }
    }

    /// How many match, counting to `limit`.
    pub(crate) async fn count(
        &self,
        collection: &str,
        filter: Document,
        limit: u32,
        deadline: Instant,
    ) -> Result<u64, DocumentError> {
        let collection = self.inner.collection::<RawDocumentBuf>(collection);
        let call =
            collection.count_documents(filter).limit(u64::from(limit)).max_time(left(deadline)?);
        within(deadline, call.into_future()).await
    }

    /// The indexes as the server describes them.
    pub(crate) async fn indexes(
        &self,
        collection: &str,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        let command = rawdoc! {"listIndexes": collection, "cursor": {"batchSize": 1_000}};
        let reply = self.command(command, deadline).await?;
        let cursor = reply.get_document("cursor").map_err(|_| damaged("list of indexes"))?;
        let batch = cursor.get_array("firstBatch").map_err(|_| damaged("list of indexes"))?;
        Ok(batch.iter().filter_map(Bson::as_document).cloned().collect())
    }

    /// Its documents and the bytes that they and their indexes take.
    pub(crate) async fn stored(&self, deadline: Instant) -> Result<Stored, DocumentError> {
        let reply = self.command(rawdoc! {"dbStats": 1}, deadline).await?;
        let number = |name: &str| match reply.get(name) {
            Some(Bson::Int32(number)) => u64::try_from(*number).unwrap_or_default(),
            Some(Bson::Int64(number)) => u64::try_from(*number).unwrap_or_default(),
            // MongoDB answers with doubles, whole ones.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(Bson::Double(number)) => *number as u64,
            _ => 0,
        };
        Ok(Stored { documents: number("objects"), bytes: number("dataSize") + number("indexSize") })
    }
}

/// Which writes of a command failed, and why.
fn write_errors(reply: &Document) -> impl Iterator<Item = (usize, DocumentError)> {
    let errors = reply.get_array("writeErrors").ok().into_iter().flatten();
    errors.filter_map(Bson::as_document).map(|error| {
        let at = error.get_i32("index").unwrap_or_default();
        let code = error.get_i32("code").unwrap_or_default();
        (usize::try_from(at).unwrap_or(0), by_code(code, &text(error)))
    })
}

fn text(document: &Document) -> String {
    document.get_str("errmsg").unwrap_or_default().to_owned()
}

/// A reply that documents are sliced out of.
struct Reply(RawBatch);

impl AsRef<[u8]> for Reply {
    fn as_ref(&self) -> &[u8] {
        self.0.as_raw_document().as_bytes()
    }
}

impl Reply {
    /// Where in the reply each document lies.
    fn documents(&self) -> Result<Vec<std::ops::Range<usize>>, DocumentError> {
        let start = self.as_ref().as_ptr().addr();
        let mut ranges = Vec::new();
        for document in self.0.doc_slices().map_err(|error| classify(&error))? {
            let bytes = document
                .ok()
                .and_then(|value| value.as_document())
                .map(RawDocument::as_bytes)
                .ok_or_else(|| damaged("reply"))?;
            let from = bytes.as_ptr().addr() - start;
            ranges.push(from..from + bytes.len());
        }
        Ok(ranges)
    }
}

/// The time left, at least a millisecond.
fn left(deadline: Instant) -> Result<Duration, DocumentError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) { Err(DocumentError::DeadlineExceeded) } else { Ok(left) }
}

async fn within<T>(
    deadline: Instant,
    call: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T, DocumentError> {
    match tokio::time::timeout_at((deadline + SLACK).into(), call).await {
        Ok(answer) => answer.map_err(|error| classify(&error)),
        Err(_) => Err(DocumentError::DeadlineExceeded),
    }
}
