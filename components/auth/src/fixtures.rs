//! What this component's unit tests start from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use pingtalk_sdk::{
    documents::Id,
    fake::{Answer, Host, Request, post},
    serde_json::{Value, json},
};

pub(crate) const PASSWORD: &str = "Str0ng!pass";

/// A host with the manifest's index.
pub(crate) fn host() -> Host {
    let host = Host::new();
    host.unique("authDB", "auths", &["emailId"]);
    host
}

pub(crate) fn ask(host: &Host, request: Request) -> Answer {
    host.request(&crate::routes(), request)
}

/// What Ann sends to sign up.
pub(crate) fn ann() -> Value {
    json!({
        "firstName": "Ann",
        "lastName": "Lee",
        "emailId": "ann@example.com",
        "password": PASSWORD,
    })
}

/// The body with one field changed; null removes it.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), value);
    }
    body
}

/// Signs Ann up: her id and token.
pub(crate) fn sign_up(host: &Host) -> (Id, String) {
    let answer = ask(host, post("/signup").json(&ann()));
    assert_eq!(answer.status, 201, "{}", answer.message());
    let id = answer.json()["data"]["_id"].as_str().and_then(Id::parse).unwrap();
    (id, answer.cookie("token").unwrap())
}

/// Logs Ann in: her token.
pub(crate) fn log_in(host: &Host, password: &str) -> String {
    let body = json!({ "emailId": "ann@example.com", "password": password });
    let answer = ask(host, post("/login").json(&body));
    assert_eq!(answer.status, 200, "{}", answer.message());
    answer.cookie("token").unwrap()
}
