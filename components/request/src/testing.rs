//! What the unit tests share: a host with this service's indexes, and users in its directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use pingtalk_sdk::{documents::Id, fake, serde_json::Value};

use crate::{
    directory::{USERS, User},
    request::{REQUESTS, Request},
};

/// A user of a test.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Id,
    pub(crate) email: String,
    pub(crate) token: String,
}

/// A host with this service's collections.
pub(crate) struct World {
    pub(crate) host: fake::Host,
    pub(crate) anna: Person,
    pub(crate) ben: Person,
}

impl World {
    /// With two users.
    pub(crate) fn new() -> Self {
        let host = fake::Host::new();
        host.unique("requestDB", "users", &["userId"]);
        host.unique("requestDB", "users", &["email"]);
        host.unique("requestDB", "requests", &["fromUserId", "toUserId"]);
        host.unique_sparse("requestDB", "requests", &["pair"]);
        let anna = person(&host, "anna@example.com");
        let ben = person(&host, "ben@example.com");
        Self { host, anna, ben }
    }

    /// One more user.
    pub(crate) fn person(&self, email: &str) -> Person {
        person(&self.host, email)
    }

    /// Sends a request as somebody.
    pub(crate) fn ask(&self, who: &Person, request: fake::Request) -> fake::Answer {
        self.host.request(&crate::routes(), request.token(&who.token))
    }

    /// Sends an invite.
    pub(crate) fn invite(&self, from: &Person, to: &Person) -> fake::Answer {
        let body = serde_json::json!({"toEmail": to.email});
        self.ask(from, fake::post("/invite/send").json(&body))
    }

    /// Sends an invite that must work, and gives the request's id.
    pub(crate) fn invited(&self, from: &Person, to: &Person) -> String {
        let answer = self.invite(from, to);
        assert_eq!(answer.status, 201, "{}", answer.message());
        answer.json()["data"]["_id"].as_str().unwrap().to_owned()
    }

    /// Answers a request.
    pub(crate) fn respond(&self, who: &Person, id: &str, status: &str) -> fake::Answer {
        let body = serde_json::json!({"status": status});
        self.ask(who, fake::patch(&format!("/respond/{id}")).json(&body))
    }

    /// All stored requests.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.host.documents(&REQUESTS)
    }

    /// A list, as its data, and where it came from.
    pub(crate) fn list(&self, who: &Person, side: &str) -> (Vec<Value>, String) {
        let answer = self.ask(who, fake::get(&format!("/invites/{side}")));
        assert_eq!(answer.status, 200, "{}", answer.message());
        let body = answer.json();
        let data = body["data"].as_array().unwrap().clone();
        assert_eq!(body["count"], data.len());
        (data, body["source"].as_str().unwrap().to_owned())
    }
}

fn person(host: &fake::Host, email: &str) -> Person {
    let id = host.new_id();
    host.insert(&USERS, &User { user_id: id, email: email.to_owned() });
    Person { id, email: email.to_owned(), token: host.log_in(id) }
}
