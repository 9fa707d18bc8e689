//! The account's addresses over HTTP: the upload API, the Admin API's ping, and delivery.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use pingtalk_blobs_cloudinary::Config;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::account::{API_KEY, API_SECRET, Account, CLOUD, Fields, Refusal};

type Answer = Response<Full<Bytes>>;

/// A server with one account.
pub(crate) struct CloudinaryServer {
    pub(crate) address: String,
    pub(crate) account: Arc<Mutex<Account>>,
    listening: JoinHandle<()>,
}

impl CloudinaryServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let account = Arc::new(Mutex::new(Account::new()));
        let listening = tokio::spawn(listen(listener, Arc::clone(&account)));
        Self { address, account, listening }
    }

    /// Settings with which this server is content.
    pub(crate) fn config(&self) -> Config {
        config(&self.address)
    }

    /// Changes the account, or looks at it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Account) -> T) -> T {
        act(&mut self.account.lock().unwrap())
    }

    /// Fetches a URL as a client does, through the content network and its memory.
    pub(crate) fn fetch(&self, url: &str) -> Option<Bytes> {
        let start = format!("http://{}/{CLOUD}/", self.address);
        let path = url.strip_prefix(&start).expect("a URL of this server");
        self.with(|account| account.deliver(path))
    }
}

/// Settings for a server at this address.
pub(crate) fn config(address: &str) -> Config {
    let mut config = Config::new(CLOUD, API_KEY, API_SECRET);
    config.api_url = format!("http://{address}");
    config.delivery_url = format!("http://{address}/");
    config
}

impl Drop for CloudinaryServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, account: Arc<Mutex<Account>>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(serve(connection, Arc::clone(&account)));
    }
}

async fn serve(connection: TcpStream, account: Arc<Mutex<Account>>) {
    let service = service_fn(move |request| {
        let account = Arc::clone(&account);
        async move { Ok::<_, Infallible>(answer(request, &account).await) }
    });
    // A test that ends closes its connections in any state.
    drop(http1::Builder::new().serve_connection(TokioIo::new(connection), service).await);
}

async fn answer(request: Request<Incoming>, account: &Mutex<Account>) -> Answer {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
    let result = match (request.method().clone(), segments.as_slice()) {
        (_, ["v1_1", cloud, ..]) if *cloud != CLOUD => {
            Err((StatusCode::UNAUTHORIZED, format!("Invalid cloud_name {cloud}")))
        }
        (Method::GET, ["v1_1", _, "ping"]) => ping(&request),
        (Method::POST, ["v1_1", _, kind, "upload"]) => {
            let (fields, file) = form(request).await;
            account.lock().unwrap().upload(kind, &fields, file)
        }
        (Method::POST, ["v1_1", _, kind, "destroy"]) => {
            let fields = pairs(request).await;
            account.lock().unwrap().destroy(kind, &fields)
        }
        (Method::GET, [cloud, _, "upload", _]) if *cloud == CLOUD => {
            let place = path.trim_start_matches('/').strip_prefix(CLOUD).unwrap();
            let asset = account.lock().unwrap().deliver(place.trim_start_matches('/'));
            return delivered(&request, asset);
        }
        _ => Err((StatusCode::NOT_FOUND, "Not Found".to_owned())),
    };
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, serde_json::json!({ "error": { "message": message } })),
    };
    let json = Full::new(Bytes::from(body.to_string()));
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(json)
        .unwrap()
}

fn ping(request: &Request<Incoming>) -> Result<serde_json::Value, Refusal> {
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
    if given == Some("Basic MTIzNDU2Nzg5MDEyMzQ1OnRoZS1hcGktc2VjcmV0") {
        Ok(serde_json::json!({ "status": "ok" }))
    } else {
        Err((StatusCode::UNAUTHORIZED, "Invalid credentials".to_owned()))
    }
}

/// The fields and the file of a multipart body, whose length must have been said.
async fn form(request: Request<Incoming>) -> (Fields, Option<Bytes>) {
    assert!(request.headers().contains_key(header::CONTENT_LENGTH), "a body of unknown length");
    let content_type = request.headers()[header::CONTENT_TYPE].to_str().unwrap();
    let boundary = multer::parse_boundary(content_type).unwrap();
    let frames = BodyStream::new(request.into_body())
        .try_filter_map(|frame| async move { Ok(frame.into_data().ok()) });
    let mut parts = multer::Multipart::new(frames, boundary);
    let (mut fields, mut file) = (Fields::new(), None);
    while let Ok(Some(part)) = parts.next_field().await {
        let name = part.name().unwrap().to_owned();
        if name == "file" {
            assert!(part.file_name().is_some(), "a file without a name is text");
            file = part.bytes().await.ok();
        } else {
            fields.insert(name, part.text().await.unwrap());
        }
    }
    (fields, file)
}

/// The fields of a body of type `application/x-www-form-urlencoded`.
async fn pairs(request: Request<Incoming>) -> Fields {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn delivered(request: &Request<Incoming>, asset: Option<Bytes>) -> Answer {
    let Some(asset) = asset else {
        let answer = Response::builder().status(404).header("x-cld-error", "Resource not found");
        return answer.body(Full::default()).unwrap();
    };
    let range = request.headers().get(header::RANGE).map(|range| range.to_str().unwrap());
    let Some(range) = range else { return Response::new(Full::new(asset)) };
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let to = to.min(asset.len() - 1);
    Response::builder()
        .status(206)
        .header(header::CONTENT_RANGE, format!("bytes {from}-{to}/{}", asset.len()))
        .body(Full::new(asset.slice(from..=to)))
        .unwrap()
}
