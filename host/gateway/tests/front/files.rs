//! The web client's files, and stored blobs.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    calls::Body,
};
use pingtalk_gateway::{Config, CorsPolicy, PublicBlobs, Route, Site, StaticFile, StaticFiles};

use crate::support::{Front, says};

fn client() -> Front {
    let file = |path, content_type, bytes: &'static [u8], etag: &str| StaticFile {
        path,
        content_type,
        bytes,
        etag: etag.to_owned(),
    };
    let files = StaticFiles::new([
        file("/index.html", "text/html; charset=utf-8", b"<h1>hello</h1>", "\"one\""),
        file("/app.js", "text/javascript", b"let a;", "\"two\""),
    ]);
    let site =
        Site::new(vec![Route::files("", Arc::new(files)), Route::service("/auth", says("auth"))])
            .with_cors(CorsPolicy::new(["http://localhost:5173"]));
    Front::start(Config::default(), site)
}

#[tokio::test]
async fn pages_have_a_policy_and_a_tag() {
    let front = client();
    for path in ["/", "/index.html", "/?x=y"] {
        let answer = front.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "<h1>hello</h1>"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("etag"), Some("\"one\""));
        assert_eq!(answer.header("content-length"), Some("14"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        answer.has_security_headers();
    }
    let script = front.get("/app.js").await;
    assert_eq!(script.body, "let a;");
    assert_eq!(script.header("content-security-policy"), None);
    assert_eq!(front.get("/auth/x").await.body, "auth");
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let front = client();
    for tag in ["\"one\"", "W/\"one\"", "\"zero\", \"one\"", "*"] {
        let answer = front.ask("GET /", &[&format!("if-none-match: {tag}")], b"").await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tag}");
        assert_eq!(answer.header("etag"), Some("\"one\""));
        answer.has_security_headers();
    }
    let answer = front.ask("GET /", &["if-none-match: \"other\""], b"").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn head_tells_the_length_and_other_methods_are_404() {
    let front = client();
    let head = front.ask("HEAD /app.js", &[], b"").await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.as_str()),
        (200, Some("6"), "")
    );
    for line in ["POST /", "DELETE /app.js", "OPTIONS /app.js", "GET /missing.js", "GET /App.js"] {
        let answer = front.ask(line, &[], b"").await;
        assert_eq!((answer.status, answer.message().as_str()), (404, "Not found"), "{line}");
    }
    // A body changes nothing about it.
    assert_eq!(front.ask("POST /nothing", &[], &vec![b'x'; 3_000_000]).await.status, 404);
}

struct Memory;

impl Memory {
    fn find(container: &str, name: &str) -> Result<(BlobInfo, &'static [u8]), BlobError> {
        let (content_type, bytes): (&str, &[u8]) = match (container, name) {
            ("pictures", "a/cat.jpg") => ("image/jpeg", b"meow"),
            ("pictures", "evil.svg") => ("image/svg+xml", b"<svg onload=x>"),
            ("secret", "cat.jpg") => ("image/jpeg", b"secret"),
            ("pictures", "away") => return Err(BlobError::Unavailable("disk".to_owned())),
            _ => return Err(BlobError::NotFound),
        };
        let size = bytes.len() as u64;
        Ok((BlobInfo { size, content_type: content_type.to_owned(), url: String::new() }, bytes))
    }
}

#[async_trait]
impl Blobs for Memory {
    async fn put(&self, _: &str, _: &str, _: Body, _: Bounds) -> Result<BlobInfo, BlobError> {
        Err(BlobError::Denied("read only".to_owned()))
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let (info, bytes) = Self::find(container, name)?;
        let body = Full::new(Bytes::from_static(bytes)).map_err(|never| match never {});
        Ok((info, Body::new(body)))
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        Self::find(container, name).map(|(info, _)| info)
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), BlobError> {
        Err(BlobError::Denied("read only".to_owned()))
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        Ok(None)
    }
}

fn store() -> Front {
    let blobs = PublicBlobs::new(Arc::new(Memory), vec!["pictures".to_owned()]);
    Front::of(vec![Route::files("/blobs/default", Arc::new(blobs))])
}

#[tokio::test]
async fn a_picture_is_shown_and_kept() {
    let front = store();
    let answer = front.get("/blobs/default/pictures/a/cat.jpg").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "meow"));
    assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    assert_eq!(answer.header("content-disposition"), Some("inline"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    answer.has_security_headers();
    let tag = format!("if-none-match: {}", answer.header("etag").unwrap());
    let again = front.ask("GET /blobs/default/pictures/a/cat.jpg", &[&tag], b"").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let head = front.ask("HEAD /blobs/default/pictures/a/cat.jpg", &[], b"").await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.as_str()),
        (200, Some("4"), "")
    );
}

#[tokio::test]
async fn what_could_run_is_a_download() {
    let answer = store().get("/blobs/default/pictures/evil.svg").await;
    assert_eq!(answer.header("content-disposition"), Some("attachment"));
}

#[tokio::test]
async fn everything_else_is_404() {
    let front = store();
    for path in [
        "/blobs/default/pictures/none.jpg",
        "/blobs/default/secret/cat.jpg",
        "/blobs/other/pictures/a/cat.jpg",
        "/blobs/default/pictures",
        "/blobs/default/pictures/",
        "/blobs/default/pictures/a%2Fcat.jpg",
        "/blobs/default",
    ] {
        assert_eq!(front.get(path).await.status, 404, "{path}");
    }
    assert_eq!(front.get("/blobs/default/pictures/away").await.status, 503);
    let post = front.ask("POST /blobs/default/pictures/a/cat.jpg", &[], b"").await;
    assert_eq!(post.status, 404);
}
