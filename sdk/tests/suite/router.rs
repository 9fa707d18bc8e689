//! Routes, parameters, bodies, errors.

use pingtalk_sdk::{
    bytes::Bytes,
    documents::DocumentError,
    fake::{Answer, Host, delete, get, post, request},
    futures_util::stream,
    http::Method,
    prelude::*,
};

fn routes() -> Router {
    Router::new()
        .get("/", |_| async { Ok(Response::message("root")) })
        .get("/Users/:userId", |cx: Context| async move {
            Ok(Response::ok(&json!({ "id": cx.id_param("userId")? })))
        })
        .get("/names/:name/:part", |cx: Context| async move {
            Ok(Response::ok(&json!([cx.param("name")?, cx.param("part")?])))
        })
        .post("/echo", |cx: Context| async move {
            let body = cx.json().await?;
            Ok(Response::created(&json!({ "text": body.text("text")? })))
        })
        .get("/query", |cx: Context| async move { Ok(Response::ok(&json!(cx.query("a")?))) })
        .get("/client", |cx: Context| async move {
            Ok(Response::ok(&json!([cx.client(), cx.secure()])))
        })
        .get("/late", |_| async { Err(DocumentError::DeadlineExceeded.into()) })
        .get("/full", |_| async { Err(DocumentError::QuotaExceeded.into()) })
        .get("/denied", |_| async { Err(DocumentError::Denied("secretDB".to_owned()).into()) })
        .get("/pieces", |_| async {
            let pieces = ["[1", ",2]"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            Ok(Response::stream("application/json", stream::iter(pieces)))
        })
}

fn send(request: pingtalk_sdk::fake::Request) -> Answer {
    Host::new().request(&routes(), request)
}

#[test]
fn paths_match_in_any_case_and_with_a_trailing_slash() {
    let id = "0123456789abcdef01234567";
    for path in ["/users/", "/USERS/", "/Users/"] {
        let answer = send(get(&format!("{path}{id}/?x=1")));
        assert_eq!(answer.json(), json!({ "id": id }), "{path}");
    }
    assert_eq!(send(get("/")).message(), "root");
    assert_eq!(send(get("")).message(), "root");
    assert_eq!(send(request(Method::HEAD, "/")).status, 200);
}

#[test]
fn unknown_paths_and_wrong_methods_are_not_found() {
    for request in [get("/nope"), get("/users"), get("/users/1/2"), delete("/"), get("//echo")] {
        let answer = send(request.clone());
        assert_eq!(answer.status, 404, "{request:?}");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert!(!answer.message().is_empty());
    }
}

#[test]
fn parameters_are_decoded_and_bounded() {
    let answer = send(get("/names/a%2Fb/%C3%A4%20c"));
    assert_eq!(answer.json(), json!(["a/b", "ä c"]));
    assert_eq!(send(get("/names/%FF/x")).status, 400, "not UTF-8");
    assert_eq!(send(get(&format!("/names/{}/x", "a".repeat(257)))).status, 400);
    assert_eq!(send(get(&format!("/names/{}/x", "a".repeat(5_000)))).status, 404);
    let answer = send(get("/users/123"));
    assert_eq!(
        (answer.status.as_u16(), answer.message().as_str()),
        (400, "userId must be a valid id")
    );
}

#[test]
fn bodies_are_read_by_their_type_and_bounded() {
    let ok = send(post("/echo").body("application/json; charset=utf-8", r#"{"text":"hi"}"#));
    assert_eq!((ok.status.as_u16(), ok.json()), (201, json!({"text": "hi"})));
    let other = send(post("/echo").body("text/plain", r#"{"text":"hi"}"#));
    assert_eq!(other.json(), json!({ "text": null }), "another type counts as no body");
    assert_eq!(send(post("/echo")).json(), json!({ "text": null }));
    assert_eq!(send(post("/echo").body("application/json", "")).status, 201);
    assert_eq!(send(post("/echo").body("application/json", "{")).status, 400);
    assert_eq!(send(post("/echo").body("application/json", "[]")).status, 400);
    let largest = format!(r#"{{"text":"{}"}}"#, "x".repeat(100 * 1024 - 11));
    assert_eq!(send(post("/echo").body("application/json", largest.clone())).status, 201);
    let over = format!("{largest} ");
    assert_eq!(send(post("/echo").body("application/json", over)).status, 413);
    let declared = post("/echo").json(&json!({})).header("content-length", "200000");
    assert_eq!(send(declared).status, 413, "refused before it is read");
}

#[test]
fn a_repeated_query_parameter_is_refused() {
    assert_eq!(send(get("/query?a=1")).json(), json!("1"));
    assert_eq!(send(get("/query")).json(), json!(null));
    for query in ["a=1&a=2", "a[]=1", "a[$ne]=1"] {
        let answer = send(get(&format!("/query?{query}")));
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.message(), "a must be given only once");
    }
}

#[test]
fn the_client_is_whom_the_gateway_names() {
    assert_eq!(send(get("/client")).json(), json!(["192.0.2.1", false]));
    let request = get("/client").header("x-pingtalk-secure", "1");
    let request = request.header("x-forwarded-for", "203.0.113.9");
    assert_eq!(send(request).json(), json!(["192.0.2.1", true]));
}

#[test]
fn capability_errors_have_their_status_and_no_detail() {
    let late = send(get("/late"));
    assert_eq!(late.status, 504);
    assert_eq!(send(get("/full")).status, 507);
    let denied = send(get("/denied"));
    assert_eq!(denied.status, 500);
    assert!(!String::from_utf8_lossy(&denied.body).contains("secretDB"));
}

#[test]
fn a_streamed_body_arrives_whole() {
    assert_eq!(send(get("/pieces")).json(), json!([1, 2]));
}
