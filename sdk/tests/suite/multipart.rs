//! Forms with files.

use pingtalk_sdk::{
    fake::{Answer, Host, post},
    multipart::Bounds,
    prelude::*,
};

const BOUNDS: Bounds = Bounds { max_parts: 3, max_file: 1_000, max_text: 100 };

fn routes() -> Router {
    Router::new().post("/", |cx: Context| async move {
        let Some(form) = cx.multipart(BOUNDS).await? else {
            return Err(Error::bad_request("No file provided"));
        };
        let file = form.file("file")?.ok_or_else(|| Error::bad_request("No file provided"))?;
        Ok(Response::ok(&json!({
            "name": file.name,
            "size": file.bytes.len(),
            "text": form.text("text")?,
        })))
    })
}

fn send(texts: &[(&str, &str)], file: Option<(&str, &str, &[u8])>) -> Answer {
    Host::new().request(&routes(), post("/").form(texts, file))
}

#[test]
fn text_and_file_arrive() {
    let answer = send(&[("text", "hällo")], Some(("file", "ä.txt", b"12345")));
    assert_eq!(answer.json(), json!({ "name": "ä.txt", "size": 5, "text": "hällo" }));
    let empty = send(&[], Some(("file", "empty", b"")));
    assert_eq!(empty.json(), json!({ "name": "empty", "size": 0, "text": null }));
}

#[test]
fn names_lose_their_path() {
    for (sent, kept) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\x.png", "x.png"),
        ("a/..", "file"),
        ("dir/", "file"),
    ] {
        assert_eq!(send(&[], Some(("file", sent, b"x"))).json()["name"], kept, "{sent}");
    }
    let long = "ä".repeat(300);
    let answer = send(&[], Some(("file", &long, b"x")));
    assert_eq!(answer.json()["name"].as_str().unwrap().len(), 254);
}

#[test]
fn bounds_hold() {
    assert_eq!(send(&[], Some(("file", "f", &[0; 1_000]))).status, 200);
    assert_eq!(send(&[], Some(("file", "f", &[0; 1_001]))).status, 413);
    assert_eq!(send(&[("text", &"x".repeat(101))], Some(("file", "f", b"x"))).status, 413);
    assert_eq!(send(&[], Some(("file", "f", &[0; 100_000]))).status, 413);
    let many = [("a", "1"), ("b", "2"), ("c", "3")];
    assert_eq!(send(&many, Some(("file", "f", b"x"))).status, 400);
}

#[test]
fn broken_and_repeated_forms_are_refused() {
    let send = |content_type: &str, body: &'static str| {
        Host::new().request(&routes(), post("/").body(content_type, body))
    };
    assert_eq!(send("multipart/form-data", "x").status, 400, "no boundary");
    assert_eq!(send("multipart/form-data; boundary=b", "--b\r\nnonsense").status, 400);
    assert_eq!(send("application/json", "{}").message(), "No file provided");
    let twice = Host::new().request(
        &routes(),
        post("/").form(&[("text", "1"), ("text", "2")], Some(("file", "f", b"x"))),
    );
    assert_eq!(twice.message(), "text must be given only once");
}
