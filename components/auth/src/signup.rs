//! `POST /signup`: a new account, logged in at once.
//!
//! The account and its event are one commit, so that no user exists whom the other services never
//! hear of. Two sign-ups with one address race for the unique index; the loser is told what it
//! would have been told a moment later.

use pingtalk_sdk::{
    Context, Error, Fields, Response, Result,
    documents::{Date, DocumentError, Id, Transaction, eq},
    serde::Serialize,
    serde_json::json,
    session,
};

use crate::{
    account::{ACCOUNTS, Account},
    email, name, password,
};

/// Tells profile and request of the new user.
const TOPIC: &str = "auth.user.created";

/// The payload of [`TOPIC`].
#[derive(Serialize)]
#[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
struct UserCreated<'a> {
    user_id: Id,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    created_at: Date,
}

pub(crate) async fn signup(cx: Context) -> Result<Response> {
    let body = cx.json().await?;
    let (first_name, last_name) = name::read(&body)?;
    let email_id = read_email(&body)?;
    let password = body.text("password")?.unwrap_or_default();
    password::check("password", password)?;
    // Spares the hashing; the index decides all the same.
    if cx.documents().exists(&ACCOUNTS, eq("emailId", email_id.as_str())).await? {
        return Err(taken());
    }

    let now = cx.now();
    let account = Account {
        id: cx.new_id(),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        email_id,
        password: password::hash(&cx, password)?,
        created_at: now,
        updated_at: now,
    };
    let event = UserCreated {
        user_id: account.id,
        email: &account.email_id,
        first_name,
        last_name,
        created_at: now,
    };
    let transaction = Transaction::new().insert(&ACCOUNTS, &account)?.publish(TOPIC, &event)?;
    cx.commit(transaction).await.map_err(|error| match error {
        DocumentError::Conflict(_) => taken(),
        other => other.into(),
    })?;

    let issued = session::issue(&cx, account.id)?;
    let answer = json!({
        "message": "User Registered Successfully",
        "data": {
            "_id": account.id,
            "firstName": account.first_name,
            "lastName": account.last_name,
            "emailId": account.email_id,
        },
    });
    Ok(Response::created(&answer).cookie(&session::cookie(&issued.token, cx.secure())))
}

fn read_email(body: &Fields) -> Result<String> {
    let text = body.text("emailId")?.unwrap_or_default();
    email::normalise(text).ok_or_else(|| Error::bad_request("EmailId is not valid"))
}

fn taken() -> Error {
    Error::not_found("Email Already Exists")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{PASSWORD, ann, ask, host, sign_up, with};
    use pingtalk_sdk::{
        cache::CacheError,
        fake::{Failure, get, post},
        serde_json::Value,
    };

    #[test]
    fn makes_an_account_and_logs_in() {
        let host = host();
        let body = with(ann(), "emailId", json!("Ann@Example.com"));
        let body = with(with(body, "firstName", json!(" Ann ")), "isAdmin", json!(true));
        let answer = ask(&host, post("/signup").json(&body));
        assert_eq!(answer.status, 201);
        let data = &answer.json()["data"];
        assert_eq!(answer.message(), "User Registered Successfully");
        assert_eq!(data.as_object().unwrap().len(), 4);
        assert_eq!(data["firstName"], "Ann");
        assert_eq!(data["lastName"], "Lee");
        assert_eq!(data["emailId"], "ann@example.com");

        let stored = host.documents(&ACCOUNTS);
        assert_eq!(stored.len(), 1);
        assert_eq!(data["_id"], stored[0].id.to_string());
        assert_eq!(stored[0].email_id, "ann@example.com");
        assert!(password::matches(PASSWORD, &stored[0].password));

        let cookie = answer.header("set-cookie");
        for attribute in ["token=", "Path=/", "Max-Age=86400", "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Secure") && !cookie.contains("Domain"));
        let token = answer.cookie("token").unwrap();
        let found = get("/getUserByEmail?emailId=ann@example.com").token(&token);
        assert_eq!(ask(&host, found).status, 200);
    }

    #[test]
    fn tells_the_other_services() {
        let host = host();
        let (id, _) = sign_up(&host);
        let published = host.published();
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].topic, "auth.user.created");
        let expected = json!({
            "userId": id,
            "email": "ann@example.com",
            "firstName": "Ann",
            "lastName": "Lee",
            "createdAt": "2026-01-02T03:04:05.678Z",
        });
        assert_eq!(published[0].payload, expected);
    }

    #[test]
    fn marks_the_cookie_secure_over_tls() {
        let request = post("/SignUp/").json(&ann()).header("x-pingtalk-secure", "1");
        let answer = ask(&host(), request);
        assert_eq!(answer.status, 201);
        assert!(answer.header("set-cookie").contains("; Secure"));
    }

    #[test]
    fn refuses_in_the_contract_s_order() {
        let host = host();
        let names = "Enter first and lastName";
        let short = "Name must be at least 2 characters long";
        let email = "EmailId is not valid";
        let weak = "Please Enter a Strong Password";
        for (field, value, message) in [
            ("firstName", Value::Null, names),
            ("lastName", Value::Null, names),
            ("firstName", json!(""), names),
            ("lastName", json!("  "), names),
            ("firstName", json!({"$ne": ""}), "firstName must be a string"),
            ("lastName", json!(["Lee"]), "lastName must be a string"),
            ("firstName", json!("A"), short),
            ("lastName", json!(" L "), short),
            ("lastName", json!("L".repeat(101)), "lastName must be at most 100 characters long"),
            ("emailId", Value::Null, email),
            ("emailId", json!("ann"), email),
            ("emailId", json!("ann@example.com "), email),
            ("emailId", json!({"$gt": ""}), "emailId must be a string"),
            ("password", Value::Null, weak),
            ("password", json!("Str0ngpass"), weak),
            ("password", json!(12_345_678), "password must be a string"),
            ("password", json!("Aa1!".repeat(19)), "password must be at most 72 bytes long"),
        ] {
            let answer = ask(&host, post("/signup").json(&with(ann(), field, value.clone())));
            assert_eq!(
                (answer.status.as_u16(), answer.message().as_str()),
                (400, message),
                "{field} {value}"
            );
        }
        // Each rule before those that follow.
        let mut body = json!({ "firstName": "A", "emailId": "x", "password": "x" });
        for (field, message) in [("lastName", names), ("firstName", short), ("emailId", email)] {
            assert_eq!(ask(&host, post("/signup").json(&body)).message(), message);
            body = with(body, field, ann()[field].clone());
        }
        assert_eq!(ask(&host, post("/signup").json(&body)).message(), weak);
        assert!(host.documents(&ACCOUNTS).is_empty() && host.published().is_empty());
    }

    #[test]
    fn counts_another_content_type_as_no_body() {
        let host = host();
        for request in [
            post("/signup"),
            post("/signup").body("text/plain", ann().to_string()),
            post("/signup").body("application/json", ""),
        ] {
            let answer = ask(&host, request);
            assert_eq!(answer.status, 400);
            assert_eq!(answer.message(), "Enter first and lastName");
        }
        for body in ["{", "[]", "null", "\"x\""] {
            let answer = ask(&host, post("/signup").body("application/json", body));
            assert_eq!(answer.status, 400, "{body}");
            assert!(!answer.message().is_empty());
        }
        let large = with(ann(), "padding", json!("x".repeat(100 * 1024)));
        assert_eq!(ask(&host, post("/signup").json(&large)).status, 413);
    }

    #[test]
    fn gives_an_address_once() {
        let host = host();
        sign_up(&host);
        let again = with(ann(), "emailId", json!("ANN@example.COM"));
        let answer = ask(&host, post("/signup").json(&again));
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json(), json!({ "message": "Email Already Exists" }));
        assert!(answer.cookie("token").is_none());
    }

    #[test]
    fn the_loser_of_a_race_is_told_the_same() {
        let host = host();
        host.before_next_commit(|host| {
            sign_up(host);
        });
        let answer = ask(&host, post("/signup").json(&with(ann(), "firstName", json!("Bob"))));
        assert_eq!(answer.status, 404);
        assert_eq!(answer.message(), "Email Already Exists");
        assert_eq!(host.documents(&ACCOUNTS)[0].first_name, "Ann");
        assert_eq!(host.published().len(), 1);
    }

    #[test]
    fn an_outage_leaves_nothing_behind() {
        let host = host();
        for (failure, status) in [
            (Failure::Documents(DocumentError::Unavailable("away".to_owned())), 503),
            (Failure::Commit(DocumentError::Unavailable("away".to_owned())), 503),
            (Failure::Commit(DocumentError::QuotaExceeded), 507),
            (Failure::Commit(DocumentError::DeadlineExceeded), 504),
            (Failure::Commit(DocumentError::Denied("authDB.auths".to_owned())), 500),
        ] {
            host.fail_next(failure);
            let answer = ask(&host, post("/signup").json(&ann()));
            assert_eq!(answer.status, status);
            assert!(!answer.message().contains("authDB"), "{}", answer.message());
            assert!(host.documents(&ACCOUNTS).is_empty() && host.published().is_empty());
        }
        // Sign-up needs no cache.
        host.fail_always(Failure::Cache(CacheError::Unavailable("away".to_owned())));
        sign_up(&host);
    }
}
