//! Calls each capability once and tells in words what came back.

use crate::bindings::{
    pingtalk::{
        blobs::store as blobs,
        cache::store as cache,
        documents::store as documents,
        sockets::{server, types::Message},
    },
    wasi::{
        config::store as config,
        http::{
            client,
            types::{Fields, Request, Response, Scheme},
        },
    },
    wit_future, wit_stream,
};

/// None when the path is no capability's.
pub async fn call(path: &str, argument: &str) -> Option<String> {
    Some(match path {
        "/cache-get" => format!("{:?}", cache::get(argument.to_owned()).await),
        "/cache-set" => {
            format!("{:?}", cache::set(argument.to_owned(), vec![1, 2, 3], 5_000, true).await)
        }
        "/cache-increment" => format!("{:?}", cache::increment(argument.to_owned(), 2, 9).await),
        "/cache-delete" => format!("{:?}", cache::delete(vec![argument.to_owned()]).await),
        "/cache-flood" => {
            let calls: u64 = argument.parse().unwrap_or_default();
            let mut answered = 0;
            for _ in 0..calls {
                answered += u64::from(cache::get("flood:1".to_owned()).await.is_ok());
            }
            format!("{answered} of {calls}")
        }
        "/cache-twice" => {
            let (a, b) = (cache::get("a".to_owned()).await, cache::get("b".to_owned()).await);
            format!("{a:?} {b:?}")
        }
        "/find-one" => find_one(argument).await,
        "/find" => find(argument).await,
        "/find-in" => find_in(argument).await,
        "/commit" => commit(argument).await,
        "/store" => store(argument).await,
        "/remove" => remove(argument).await,
        "/blob-put" => blob_put(argument).await,
        "/blob-get" => blob_get(argument).await,
        "/blob-head" => format!("{:?}", blobs::head("files".to_owned(), argument.to_owned()).await),
        "/emit" => {
            let message = Message {
                name: "hi".to_owned(),
                arguments: "[1]".to_owned(),
                attachments: vec![vec![7]],
            };
            let target = server::Target::Room(argument.to_owned());
            format!("{:?}", server::emit(target, message, Some(4), None).await)
        }
        "/config" => format!("{:?}", config::get(argument)),
        "/config-all" => format!("{:?}", config::get_all()),
        "/fetch" => fetch(argument).await,
        _ => return None,
    })
}

fn filter(id: &str) -> documents::Filter {
    let condition = documents::Condition {
        path: "_id".to_owned(),
        test: documents::Test::OneOf(vec![
            documents::Value::Text(id.to_owned()),
            documents::Value::Id(documents::ObjectId {
                high: 0x0102_0304_0506_0708,
                low: 0x090a_0b0c,
            }),
        ]),
    };
    documents::Filter { any_of: vec![vec![condition]] }
}

fn query(id: &str) -> documents::Query {
    documents::Query {
        filter: filter(id),
        sort: vec![documents::SortKey {
            path: "at".to_owned(),
            direction: documents::Direction::Descending,
        }],
        limit: 10,
        include: vec!["name".to_owned()],
        exclude: Vec::new(),
    }
}

async fn find_one(id: &str) -> String {
    let found = documents::find_one("db".to_owned(), "things".to_owned(), query(id)).await;
    match found {
        Ok(found) => format!("{:?}", found.map(|document| document.len())),
        Err(error) => format!("{error:?}"),
    }
}

async fn find(id: &str) -> String {
    let found = documents::find("db".to_owned(), "things".to_owned(), query(id)).await;
    match found {
        Ok(found) => format!("{:?}", found.iter().map(Vec::len).collect::<Vec<_>>()),
        Err(error) => format!("{error:?}"),
    }
}

/// Everything of a collection named `database.collection`.
async fn find_in(place: &str) -> String {
    let (database, collection) = place.split_once('.').unwrap_or_default();
    let query = documents::Query {
        filter: documents::Filter { any_of: vec![vec![]] },
        sort: Vec::new(),
        limit: 10,
        include: Vec::new(),
        exclude: Vec::new(),
    };
    match documents::find(database.to_owned(), collection.to_owned(), query).await {
        Ok(found) => format!("{} found", found.len()),
        Err(error) => format!("{error:?}"),
    }
}

/// Inserts a document of so many bytes.
async fn commit(bytes: &str) -> String {
    let document = vec![0; bytes.parse().unwrap_or_default()];
    let insertion = documents::Insertion {
        document,
        sequence: Some(documents::Sequence {
            field: "n".to_owned(),
            within: vec!["group".to_owned()],
        }),
    };
    let transaction = documents::Transaction {
        id: "t1".to_owned(),
        writes: vec![documents::Write {
            database: "db".to_owned(),
            collection: "things".to_owned(),
            operation: documents::Operation::Insert(insertion),
        }],
        events: vec![documents::Event { topic: "made".to_owned(), payload: b"{}".to_vec() }],
    };
    match documents::commit(transaction).await {
        Ok(outcomes) => match outcomes.as_slice() {
            [documents::Outcome::Inserted(document)] => format!("inserted {}", document.len()),
            other => format!("{} outcomes", other.len()),
        },
        Err(error) => format!("{error:?}"),
    }
}

/// One write to the collection of things.
async fn write(
    operation: documents::Operation,
) -> Result<Vec<documents::Outcome>, documents::Error> {
    let id = crate::bindings::wasi::random::random::get_random_u64();
    let writes = vec![documents::Write {
        database: "db".to_owned(),
        collection: "things".to_owned(),
        operation,
    }];
    documents::commit(documents::Transaction { id: format!("{id:x}"), writes, events: Vec::new() })
        .await
}

/// Inserts the document `{"_id": id}`.
async fn store(id: &str) -> String {
    // bsonspec.org: length, a string's type and name, its length, its bytes, the document's end.
    let text = [id.as_bytes(), &[0]].concat();
    let mut fields = vec![2];
    fields.extend(b"_id\0");
    fields.extend(u32::try_from(text.len()).unwrap_or_default().to_le_bytes());
    fields.extend(text);
    fields.push(0);
    let mut document = u32::try_from(fields.len() + 4).unwrap_or_default().to_le_bytes().to_vec();
    document.extend(fields);
    let insertion = documents::Insertion { document, sequence: None };
    match write(documents::Operation::Insert(insertion)).await {
        Ok(_) => "stored".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// Deletes the document with this id.
async fn remove(id: &str) -> String {
    match write(documents::Operation::Delete(filter(id))).await {
        Ok(outcomes) => format!("removed {}", outcomes.len()),
        Err(error) => format!("{error:?}"),
    }
}

/// Stores so many bytes.
async fn blob_put(bytes: &str) -> String {
    let (mut writer, reader) = wit_stream::new();
    let mut left: usize = bytes.parse().unwrap_or_default();
    wit_bindgen::spawn_local(async move {
        while left > 0 {
            let chunk = left.min(100_000);
            if !writer.write_all(vec![b'b'; chunk]).await.is_empty() {
                return;
            }
            left -= chunk;
        }
    });
    let bounds = blobs::Bounds { max_size: 8 << 20, accept: vec!["image/png".to_owned()] };
    match blobs::put("files".to_owned(), "a/b.png".to_owned(), reader, bounds).await {
        Ok(info) => format!("{} {} {}", info.size, info.content_type, info.url),
        Err(error) => format!("{error:?}"),
    }
}

/// Reads a blob to its end.
async fn blob_get(name: &str) -> String {
    match blobs::get("files".to_owned(), name.to_owned()).await {
        Ok((info, content, end)) => {
            let bytes = content.collect().await.len();
            format!("{} of {}, {:?}", bytes, info.size, end.await)
        }
        Err(error) => format!("{error:?}"),
    }
}

/// Fetches a URL.
async fn fetch(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "not a URL".to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let request = Request::new(Fields::new(), None, no_trailers, None).0;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let set = request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).is_ok();
    if !set {
        return "not a URL".to_owned();
    }
    match client::send(request).await {
        Ok(response) => {
            let status = response.get_status_code();
            let (done, result) = wit_future::new(|| Ok(()));
            drop(done);
            let (body, trailers) = Response::consume_body(response, result);
            let body = body.collect().await;
            let end = trailers.await.map(|_| ());
            format!("{status} {} {end:?}", String::from_utf8_lossy(&body))
        }
        Err(error) => format!("{error:?}"),
    }
}
