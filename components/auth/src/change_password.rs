//! `PATCH /changePassword`: a new password, which ends the user's other sessions and sockets.

use pingtalk_sdk::{
    Context, Error, Response, Result,
    documents::{Changes, Date, DocumentError, Transaction, all, eq},
    log,
    session::{self, Session},
    sockets::user,
};

use crate::{
    account::{ACCOUNTS, CREDENTIALS, Credentials},
    password,
};

pub(crate) async fn change_password(cx: Context) -> Result<Response> {
    let session = cx.session_or("Token expired, please login").await?;
    let body = cx.json().await?;
    let required = "Old and new passwords are required";
    let old = body.required_text("oldPassword", required)?;
    let new = body.required_text("newPassword", required)?;
    if old == new {
        return Err(Error::bad_request("New password must be different"));
    }
    password::check("newPassword", new)?;

    let query = eq("_id", session.user).include(CREDENTIALS);
    let found = cx.documents().find_one(&ACCOUNTS.view::<Credentials>(), query).await?;
    // The session was good a moment ago.
    let account = found.ok_or_else(|| Error::not_found("User not found").as_error_field())?;
    let incorrect = || Error::unauthorized("Incorrect old password");
    if !password::matches(old, &account.password) {
        return Err(incorrect());
    }

    // What is compared is what is replaced: of two changes at once, one finds another password.
    let unchanged = all([eq("_id", account.id), eq("password", account.password.as_str())]);
    let changes = Changes::new().set("password", password::hash(&cx, new)?).touch(cx.now());
    let changes = session::end_others(changes, &session, ending(&cx, &account));
    let transaction = Transaction::new().update(&ACCOUNTS, unchanged, changes);
    cx.commit(transaction).await.map_err(|error| match error {
        DocumentError::Unmatched => incorrect(),
        other => other.into(),
    })?;
    announce(&cx, &session).await;
    Ok(Response::message("Password updated successfully. Please login again."))
}

/// Up to when tokens end. Those issued since a change in this same second are dated after it,
/// and end as well.
fn ending(cx: &Context, account: &Credentials) -> Date {
    let last = account.sessions.valid_from.unwrap_or_default().saturating_mul(1_000);
    cx.now().max(Date::from_millis(last))
}

/// Makes the change count everywhere. The password is changed whatever happens here, so a
/// failure is not the client's to repair: cached sessions expire within a minute.
async fn announce(cx: &Context, session: &Session) {
    if let Err(error) = session::publish(cx, session.user).await {
        log::error("ended sessions stay cached", &[("user", &session.user), ("error", &error)]);
    }
    let others = cx.sockets().disconnect_except(user(session.user), &session.room()).await;
    if let Err(error) = others {
        log::error("sockets stay connected", &[("user", &session.user), ("error", &error)]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{PASSWORD, ask, host, log_in, sign_up};
    use pingtalk_sdk::{
        cache::CacheError,
        fake::{Answer, Failure, Host, SocketCall, get, patch, post},
        serde_json::{Value, json},
        sockets::SocketError,
    };

    const NEW: &str = "N3w!password";

    fn change(host: &Host, token: &str, old: &Value, new: &Value) -> Answer {
        let body = json!({ "oldPassword": old, "newPassword": new });
        ask(host, patch("/changePassword").json(&body).token(token))
    }

    fn counts(host: &Host, token: &str) -> bool {
        let request = get("/getUserByEmail?emailId=ann@example.com").token(token);
        ask(host, request).status == 200
    }

    fn opens(host: &Host, password: &str) -> bool {
        let body = json!({ "emailId": "ann@example.com", "password": password });
        ask(host, post("/login").json(&body)).status == 200
    }

    #[test]
    fn changes_the_password_and_ends_the_other_sessions() {
        let host = host();
        let (id, other) = sign_up(&host);
        let own = log_in(&host, PASSWORD);
        assert!(counts(&host, &other) && counts(&host, &own));

        let answer = change(&host, &own, &json!(PASSWORD), &json!(NEW));
        assert_eq!(answer.status, 200);
        let message = "Password updated successfully. Please login again.";
        assert_eq!(answer.json(), json!({ "message": message }));
        assert!(opens(&host, NEW) && !opens(&host, PASSWORD));
        assert!(!counts(&host, &other) && counts(&host, &own));
        let spared = format!("session:{}", session::token_id(&own));
        let expected = SocketCall::Disconnect(user(id), Some(spared));
        assert_eq!(host.socket_calls(), [expected]);
        // A login in the same second counts.
        assert!(counts(&host, &log_in(&host, NEW)));
    }

    #[test]
    fn a_second_change_ends_what_the_first_let_in() {
        let host = host();
        let (_, own) = sign_up(&host);
        assert_eq!(change(&host, &own, &json!(PASSWORD), &json!(NEW)).status, 200);
        let between = log_in(&host, NEW);
        assert!(counts(&host, &between));
        assert_eq!(change(&host, &own, &json!(NEW), &json!(PASSWORD)).status, 200);
        assert!(!counts(&host, &between) && counts(&host, &own));
    }

    #[test]
    fn refuses_in_the_contract_s_order() {
        let host = host();
        let (_, token) = sign_up(&host);
        let required = "Old and new passwords are required";
        let weak = "Please Enter a Strong Password";
        for (old, new, status, message) in [
            (Value::Null, json!(NEW), 400, required),
            (json!(PASSWORD), Value::Null, 400, required),
            (json!(""), json!(NEW), 400, required),
            (json!(PASSWORD), json!(""), 400, required),
            (json!({"$ne": ""}), json!(NEW), 400, "oldPassword must be a string"),
            (json!(PASSWORD), json!([NEW]), 400, "newPassword must be a string"),
            (json!(PASSWORD), json!(PASSWORD), 400, "New password must be different"),
            (json!(PASSWORD), json!("weak"), 400, weak),
            (
                json!(PASSWORD),
                json!("Aa1!".repeat(19)),
                400,
                "newPassword must be at most 72 bytes long",
            ),
            (json!("Wr0ng!pass"), json!(NEW), 401, "Incorrect old password"),
        ] {
            let answer = change(&host, &token, &old, &new);
            assert_eq!(answer.status, status, "{old} {new}");
            assert_eq!(answer.json(), json!({ "message": message }), "{old} {new}");
        }
        assert_eq!(ask(&host, patch("/changePassword").token(&token)).message(), required);
        assert!(opens(&host, PASSWORD) && host.socket_calls().is_empty());
    }

    #[test]
    fn needs_a_session() {
        let host = host();
        sign_up(&host);
        let missing = ask(&host, patch("/changePassword"));
        assert_eq!(missing.status, 401);
        assert_eq!(missing.json(), json!({ "message": "Token expired, please login" }));
        let invalid = change(&host, "x.y.z", &json!(PASSWORD), &json!(NEW));
        assert_eq!(invalid.status, 401);
        assert_eq!(invalid.json(), json!({ "error": "Invalid or expired token" }));
    }

    #[test]
    fn a_user_who_is_gone() {
        let host = host();
        let (id, token) = sign_up(&host);
        assert!(counts(&host, &token));
        // The session is still cached.
        let gone = Transaction::new().delete(&ACCOUNTS, eq("_id", id));
        pingtalk_sdk::fake::block_on(host.platform().commit(gone)).unwrap();
        let answer = change(&host, &token, &json!(PASSWORD), &json!(NEW));
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json(), json!({ "error": "User not found" }));
    }

    #[test]
    fn one_of_two_changes_wins() {
        let host = host();
        let (_, token) = sign_up(&host);
        let rival = token.clone();
        host.before_next_commit(move |host| {
            assert_eq!(change(host, &rival, &json!(PASSWORD), &json!(NEW)).status, 200);
        });
        let answer = change(&host, &token, &json!(PASSWORD), &json!("0ther!Password"));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.message(), "Incorrect old password");
        assert!(opens(&host, NEW));
    }

    #[test]
    fn an_outage_changes_nothing() {
        let host = host();
        let (_, token) = sign_up(&host);
        host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        assert_eq!(change(&host, &token, &json!(PASSWORD), &json!(NEW)).status, 503);
        assert!(opens(&host, PASSWORD) && host.socket_calls().is_empty());
    }

    #[test]
    fn what_is_changed_stays_changed_when_others_are_away() {
        let host = host();
        let (_, other) = sign_up(&host);
        let own = log_in(&host, PASSWORD);
        host.fail_always(Failure::Cache(CacheError::Unavailable("away".to_owned())));
        host.fail_always(Failure::Sockets(SocketError::Unavailable("away".to_owned())));
        assert_eq!(change(&host, &own, &json!(PASSWORD), &json!(NEW)).status, 200);
        assert!(opens(&host, NEW));
        // Without the cache the store is asked each time.
        assert!(!counts(&host, &other) && counts(&host, &own));
    }
}
