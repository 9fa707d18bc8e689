//! `POST /login`: a password for a token.
//!
//! The contract tells a client whether an address is known, so nothing is won by spending the
//! time of a comparison on unknown ones; what slows down guessing is [`crate::attempts`].

use pingtalk_sdk::{Context, Error, Response, Result, documents::eq, serde_json::json, session};

use crate::{
    account::{ACCOUNTS, CREDENTIALS, Credentials},
    attempts::Attempt,
    email, password,
};

pub(crate) async fn login(cx: Context) -> Result<Response> {
    let attempt = Attempt::count(&cx).await;
    let answer = match attempt.refusal() {
        Some(refusal) => Err(refusal),
        None => verify(&cx).await,
    };
    Ok(attempt.describe(answer.unwrap_or_else(Error::into_response)))
}

async fn verify(cx: &Context) -> Result<Response> {
    let body = cx.json().await?;
    let invalid = || Error::bad_request("Invalid Credentials");
    let address = body.text("emailId")?.and_then(email::normalise).ok_or_else(invalid)?;
    let password = body.text("password")?.filter(|text| !text.is_empty()).ok_or_else(invalid)?;

    let query = eq("emailId", address).include(CREDENTIALS);
    let found = cx.documents().find_one(&ACCOUNTS.view::<Credentials>(), query).await?;
    let user = found.ok_or_else(|| Error::bad_request("User not Found, Signup to continue"))?;
    if !password::matches(password, &user.password) {
        return Err(Error::unauthorized("Incorrect credentials"));
    }

    let issued = session::issue_for(cx, user.id, &user.sessions)?;
    let answer = json!({
        "data": { "id": user.id, "emailId": user.email_id, "token": issued.token },
        "message": "User login successful!!!",
    });
    Ok(Response::ok(&answer).cookie(&session::cookie(&issued.token, cx.secure())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{PASSWORD, ask, host, log_in, sign_up};
    use pingtalk_sdk::{
        cache::CacheError,
        documents::{Collection, DocumentError, Id},
        fake::{Failure, Host, get, post},
        serde::Serialize,
        serde_json::Value,
    };

    fn try_log_in(host: &Host, email: &Value, password: &Value) -> (u16, String) {
        let body = json!({ "emailId": email, "password": password });
        let answer = ask(host, post("/login").json(&body));
        (answer.status.as_u16(), answer.message())
    }

    #[test]
    fn gives_a_token() {
        let host = host();
        let (id, _) = sign_up(&host);
        let body = json!({ "emailId": "ANN@example.com", "password": PASSWORD });
        let answer = ask(&host, post("/login").json(&body));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.message(), "User login successful!!!");
        let token = answer.cookie("token").unwrap();
        let data = json!({ "id": id, "emailId": "ann@example.com", "token": token });
        assert_eq!(answer.json()["data"], data);
        let found = get("/getUserByEmail?emailId=ann@example.com").token(&token);
        assert_eq!(ask(&host, found).json(), json!({ "userId": id }));
    }

    #[test]
    fn refuses_what_is_not_right() {
        let host = host();
        sign_up(&host);
        let email = json!("ann@example.com");
        let invalid = (400, "Invalid Credentials".to_owned());
        for (email, password) in [
            (Value::Null, json!(PASSWORD)),
            (json!(""), json!(PASSWORD)),
            (json!("ann"), json!(PASSWORD)),
            (email.clone(), Value::Null),
            (email.clone(), json!("")),
        ] {
            assert_eq!(try_log_in(&host, &email, &password), invalid);
        }
        let unknown = try_log_in(&host, &json!("bob@example.com"), &json!(PASSWORD));
        assert_eq!(unknown, (400, "User not Found, Signup to continue".to_owned()));
        let incorrect = (401, "Incorrect credentials".to_owned());
        for wrong in ["Str0ng!pasS".to_owned(), "x".to_owned(), "x".repeat(10_000)] {
            assert_eq!(try_log_in(&host, &email, &json!(wrong)), incorrect);
        }
    }

    #[test]
    fn objects_never_reach_a_query() {
        let host = host();
        sign_up(&host);
        host.fail_always(Failure::Documents(DocumentError::Unavailable("a query".to_owned())));
        for odd in [json!({"$ne": null}), json!(["ann@example.com"]), json!(1), json!(true)] {
            let (status, message) = try_log_in(&host, &odd, &json!(PASSWORD));
            assert_eq!((status, message.as_str()), (400, "emailId must be a string"));
            let (status, message) = try_log_in(&host, &json!("ann@example.com"), &odd);
            assert_eq!((status, message.as_str()), (400, "password must be a string"));
        }
    }

    #[test]
    fn takes_accounts_of_the_original() {
        #[derive(Serialize)]
        #[serde(crate = "pingtalk_sdk::serde")]
        struct Original {
            _id: Id,
            #[serde(rename = "emailId")]
            email: &'static str,
            password: &'static str,
            __v: i32,
        }
        let host = host();
        let originals: Collection<Original> = ACCOUNTS.view();
        let original = Original {
            _id: host.new_id(),
            email: "old@example.com",
            password: "$2b$10$abcdefghijklmnopqrstuu2VJnF2R1cQj1O/Z9sK44gN8fyw6dgzK",
            __v: 0,
        };
        host.insert(&originals, &original);
        assert_eq!(try_log_in(&host, &json!("old@example.com"), &json!(PASSWORD)).0, 200);
    }

    #[test]
    fn allows_fifteen_attempts_in_fifteen_minutes() {
        let host = host();
        sign_up(&host);
        let good = json!({ "emailId": "ann@example.com", "password": PASSWORD });
        for number in 1..=15 {
            // Successes and refusals count alike.
            let body = if number % 2 == 0 { good.clone() } else { json!({}) };
            let answer = ask(&host, post("/login").json(&body));
            assert_eq!(answer.status, if number % 2 == 0 { 200 } else { 400 });
            assert_eq!(answer.header("ratelimit-policy"), "15;w=900");
            assert_eq!(answer.header("ratelimit-limit"), "15");
            assert_eq!(answer.header("ratelimit-remaining"), (15 - number).to_string());
            assert_eq!(answer.header("ratelimit-reset"), "900");
        }
        host.advance(Duration::from_millis(300_500));
        for _ in 0..2 {
            let answer = ask(&host, post("/login").json(&good));
            assert_eq!(answer.status, 429);
            let message = "Too many login attempts. Try again after 15 minutes.";
            assert_eq!(answer.json(), json!({ "message": message }));
            assert_eq!(answer.header("ratelimit-remaining"), "0");
            assert_eq!(answer.header("ratelimit-reset"), "600");
            assert_eq!(answer.header("retry-after"), "600");
        }
        let elsewhere = post("/login").json(&good).header("x-pingtalk-client", "192.0.2.2");
        assert_eq!(ask(&host, elsewhere).header("ratelimit-remaining"), "14");
        host.advance(Duration::from_secs(600));
        assert_eq!(ask(&host, post("/login").json(&good)).header("ratelimit-remaining"), "14");
    }

    #[test]
    fn goes_on_without_the_cache() {
        let host = host();
        sign_up(&host);
        host.fail_always(Failure::Cache(CacheError::Unavailable("away".to_owned())));
        for _ in 0..16 {
            log_in(&host, PASSWORD);
        }
        let answer = ask(&host, post("/login").json(&json!({})));
        assert_eq!(answer.header("ratelimit-limit"), "15");
        assert_eq!(answer.header("ratelimit-remaining"), "");
    }

    #[test]
    fn an_outage_is_no_wrong_password() {
        let host = host();
        sign_up(&host);
        host.fail_next(Failure::Documents(DocumentError::Unavailable("away".to_owned())));
        let body = json!({ "emailId": "ann@example.com", "password": PASSWORD });
        let answer = ask(&host, post("/login").json(&body));
        assert_eq!(answer.status, 503);
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(answer.header("ratelimit-limit"), "15");
    }
}
