//! Tokens, and what ends them.

use std::time::Duration;

use pingtalk_sdk::{
    cache::CacheError,
    documents::DocumentError,
    fake::{Answer, Failure, Host, block_on, get},
    prelude::*,
    session::{self, State},
    sockets::Handshake,
};

static AUTHS: Collection<Owner> = Collection::new("authDB", "auths");

#[derive(Serialize, Deserialize)]
struct Owner {
    #[serde(default)]
    sessions: State,
}

fn routes() -> Router {
    Router::new()
        .get("/me", |cx: Context| async move {
            Ok(Response::ok(&json!({ "user": cx.session().await?.user })))
        })
        .get("/other", |cx: Context| async move {
            cx.session_or("Token expired, please login").await?;
            Ok(Response::no_content())
        })
}

fn me(host: &Host, token: &str) -> Answer {
    host.request(&routes(), get("/me").token(token))
}

fn assert_invalid(answer: &Answer) {
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json(), json!({ "error": "Invalid or expired token" }));
}

fn end_others(host: &Host, user: Id, kept: &session::Session) {
    let platform = host.platform();
    let changes = session::end_others(Changes::new(), kept, platform.now());
    block_on(platform.commit(Transaction::new().update(&AUTHS, eq("_id", user), changes))).unwrap();
    block_on(session::publish(&platform, user)).unwrap();
}

#[test]
fn a_valid_token_names_its_user() {
    let host = Host::new();
    let user = host.new_id();
    let token = host.log_in(user);
    assert_eq!(me(&host, &token).json(), json!({ "user": user }));
}

#[test]
fn a_missing_token_has_two_wordings() {
    let host = Host::new();
    let missing = host.request(&routes(), get("/me"));
    assert_eq!(missing.status, 401);
    assert_eq!(missing.json(), json!({ "message": "Token Expired, please login again" }));
    assert_eq!(me(&host, "").json(), missing.json(), "an empty one too");
    let other = host.request(&routes(), get("/other"));
    assert_eq!(other.json(), json!({ "message": "Token expired, please login" }));
}

#[test]
fn foreign_expired_and_unsigned_tokens_are_invalid() {
    let host = Host::new();
    let user = host.new_id();
    let token = host.log_in(user);

    let stranger = Host::new();
    stranger.set_variable("jwt_secret", "another secret");
    assert_invalid(&me(&host, &stranger.log_in(user)));

    // {"alg":"none","typ":"JWT"} with the valid claims and no signature.
    let claims = token.split('.').nth(1).unwrap();
    assert_invalid(&me(&host, &format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")));
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_invalid(&me(&host, &format!("{unsigned}.")));
    for broken in ["x", "a.b.c", "..", &token[1..], &format!("{token}A")] {
        assert_invalid(&me(&host, broken));
    }

    host.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(me(&host, &token).status, 200);
    host.advance(Duration::from_secs(1));
    assert_invalid(&me(&host, &token));
}

#[test]
fn tokens_of_the_original_are_accepted() {
    // As Node's jsonwebtoken writes them, signed with the fake's secret.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
                 eyJfaWQiOiIwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1NjciLCJpYXQiOjE3NjczMjMwNDUsImV4cCI6MTc2NzQwOTQ0NX0.\
                 liWpU4GN5cNq59jNpzlOfFN94h7GJHDYwC_aGB1MF7k";
    let host = Host::new();
    let user = Id::parse("0123456789abcdef01234567").unwrap();
    let _ = host.log_in(user);
    assert_eq!(me(&host, token).json(), json!({ "user": user }));
}

#[test]
fn a_token_whose_user_is_gone_is_invalid() {
    let host = Host::new();
    let user = host.new_id();
    let issued = session::issue(&host.platform(), user).unwrap();
    assert_invalid(&me(&host, &issued.token));
}

#[test]
fn a_logout_ends_that_token_at_once() {
    let host = Host::new();
    let user = host.new_id();
    let first = host.log_in(user);
    host.advance(Duration::from_secs(1));
    let second = host.log_in(user);
    assert_eq!(me(&host, &first).status, 200, "and the state is cached now");
    let ended = block_on(session::check(&host.platform(), &first)).unwrap();
    block_on(session::revoke(&host.platform(), &ended)).unwrap();
    assert_invalid(&me(&host, &first));
    assert_eq!(me(&host, &second).status, 200);
    // It stays so without the cache.
    host.fail_always(Failure::Cache(CacheError::Unavailable("down".to_owned())));
    assert_invalid(&me(&host, &first));
    assert_eq!(me(&host, &second).status, 200);
}

#[test]
fn two_tokens_of_one_second_end_apart() {
    let host = Host::new();
    let user = host.new_id();
    let (first, second) = (host.log_in(user), host.log_in(user));
    assert_ne!(first, second);
    let ended = block_on(session::check(&host.platform(), &first)).unwrap();
    block_on(session::revoke(&host.platform(), &ended)).unwrap();
    assert_invalid(&me(&host, &first));
    assert_eq!(me(&host, &second).status, 200);
}

#[test]
fn revoked_tokens_are_forgotten_once_expired() {
    let host = Host::new();
    let user = host.new_id();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        host.advance(Duration::from_secs(1));
        sessions.push(block_on(session::check(&host.platform(), &host.log_in(user))).unwrap());
    }
    for ended in &sessions {
        block_on(session::revoke(&host.platform(), ended)).unwrap();
        block_on(session::revoke(&host.platform(), ended)).unwrap();
    }
    let kept = || host.documents(&AUTHS).remove(0).sessions.revoked.len();
    assert_eq!(kept(), 3, "once each");
    host.advance(Duration::from_secs(25 * 3600));
    let ended = block_on(session::check(&host.platform(), &host.log_in(user))).unwrap();
    block_on(session::revoke(&host.platform(), &ended)).unwrap();
    assert_eq!(kept(), 1);
}

#[test]
fn many_logouts_end_everything_rather_than_grow_the_document() {
    let host = Host::new();
    let user = host.new_id();
    let other = host.log_in(user);
    for _ in 0..=100 {
        host.advance(Duration::from_secs(1));
        let token = host.log_in(user);
        let ended = block_on(session::check(&host.platform(), &token)).unwrap();
        block_on(session::revoke(&host.platform(), &ended)).unwrap();
        assert_invalid(&me(&host, &token));
    }
    assert!(host.documents(&AUTHS)[0].sessions.revoked.is_empty());
    assert_invalid(&me(&host, &other));
}

#[test]
fn a_password_change_ends_the_others_even_of_the_same_second() {
    let host = Host::new();
    let user = host.new_id();
    let old = host.log_in(user);
    host.advance(Duration::from_secs(1));
    let mine = host.log_in(user);
    assert_eq!(me(&host, &old).status, 200);
    let kept = block_on(session::check(&host.platform(), &mine)).unwrap();
    end_others(&host, user, &kept);
    assert_invalid(&me(&host, &old));
    assert_eq!(me(&host, &mine).status, 200);
    // A login right after it works.
    let state = host.documents(&AUTHS).remove(0).sessions;
    let fresh = session::issue_for(&host.platform(), user, &state).unwrap();
    assert_eq!(me(&host, &fresh.token).status, 200);
}

#[test]
fn a_slow_reader_does_not_restore_the_old_state() {
    let host = Host::new();
    let user = host.new_id();
    let old = host.log_in(user);
    host.advance(Duration::from_secs(1));
    let kept = block_on(session::check(&host.platform(), &host.log_in(user))).unwrap();
    end_others(&host, user, &kept);
    // What a reader would do that had read the document before the change.
    let key = format!("session:{user}");
    let ttl = Duration::from_secs(60);
    let stale = State::default();
    assert!(!block_on(host.platform().cache().set_if_absent(&key, &stale, ttl)));
    assert_invalid(&me(&host, &old));
}

#[test]
fn a_session_that_cannot_be_checked_is_not_refused() {
    let host = Host::new();
    let token = host.log_in(host.new_id());
    host.fail_always(Failure::Documents(DocumentError::Unavailable("down".to_owned())));
    let answer = me(&host, &token);
    assert_eq!(answer.status, 503);
    assert_ne!(answer.header("retry-after"), "");
}

#[test]
fn nobody_signs_with_an_empty_secret() {
    let host = Host::new();
    host.set_variable("jwt_secret", "");
    assert!(session::issue(&host.platform(), host.new_id()).is_err());
}

#[test]
fn handshakes_are_refused_in_the_contracts_words() {
    let host = Host::new();
    let user = host.new_id();
    let token = host.log_in(user);
    let try_with = |cookie: Option<String>| {
        let handshake = Handshake { cookie, ..Handshake::default() };
        block_on(session::of_handshake(&host.platform(), &handshake))
    };
    let refused = |cookie: Option<&str>| try_with(cookie.map(str::to_owned)).unwrap_err().message;
    assert_eq!(refused(None), "Unauthorized - No cookies");
    assert_eq!(refused(Some("")), "Unauthorized - No cookies");
    assert_eq!(refused(Some("a=b")), "Unauthorized - No token");
    assert_eq!(refused(Some("token=")), "Unauthorized - No token");
    assert_eq!(refused(Some("token=x")), "Unauthorized - Invalid or expired token");
    assert_eq!(try_with(Some(format!("a=b; token={token}"))).unwrap().user, user);
    let unchecked = host.log_in(host.new_id());
    host.fail_always(Failure::Documents(DocumentError::Unavailable("down".to_owned())));
    assert_eq!(refused(Some(&format!("token={unchecked}"))), "Service temporarily unavailable");
}

#[test]
fn a_token_is_shown_nowhere() {
    let host = Host::new();
    let issued = session::issue(&host.platform(), host.new_id()).unwrap();
    assert!(!format!("{issued:?}").contains(&issued.token));
    assert_eq!(issued.session.token_id, session::token_id(&issued.token));
    assert_eq!(issued.session.token_id.len(), 32);
}
