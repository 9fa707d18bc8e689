//! What the unit tests start from.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use pingtalk_sdk::{
    fake::{Host, get, post},
    serde_json::{Value, json},
};

use crate::routes;

/// The service on a host in memory, with the indexes that the manifest declares.
pub(crate) struct Notes {
    pub(crate) host: Host,
}

impl Notes {
    pub(crate) fn new() -> Self {
        let host = Host::new();
        host.unique_sparse("notesDB", "notes", &["welcomeFor"]);
        Self { host }
    }

    /// A new user's token.
    pub(crate) fn user(&self) -> String {
        self.host.log_in(self.host.new_id())
    }

    /// Writes a note and returns its id. A second passes.
    pub(crate) fn write(&self, token: &str, text: &str) -> String {
        self.host.advance(Duration::from_secs(1));
        let request = post("/").json(&json!({ "text": text })).token(token);
        let answer = self.host.request(&routes(), request);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["data"]["_id"].as_str().unwrap().to_owned()
    }

    /// What the user's list answers.
    pub(crate) fn list(&self, token: &str) -> Value {
        let answer = self.host.request(&routes(), get("/").token(token));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}
