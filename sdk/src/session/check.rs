//! Whether a token still counts: the user's state, through the cache.
//!
//! Who reads fills the cache only if nothing is there; who changes the state overwrites it. So a
//! reader that raced a change can't put the old state back. When the cache is away the document
//! is read each time.

use std::time::Duration;

use super::{
    COOKIE, Session, State,
    state::{OWNERS, Owner},
    token,
};
use crate::{
    Error, Platform, Result, cookies,
    documents::{DocumentError, Id, eq},
    sockets::{Handshake, Refusal},
};

/// How long a state is cached. A change that could not reach the cache counts after this.
const CACHED: Duration = Duration::from_secs(60);

fn key(user: Id) -> String {
    format!("session:{user}")
}

/// A token's session.
///
/// # Errors
/// The contract's 401 for an invalid, expired or ended token and for one whose user is gone;
/// 503 when that can't be told.
pub async fn check(platform: &Platform, token: &str) -> Result<Session> {
    let session = token::read(platform, token)?;
    still_counts(platform, &session).await?;
    Ok(session)
}

/// Whether a session that was good before has been ended since. A socket outlives the request
/// that it was checked in.
///
/// # Errors
/// As [`check`], but that an expired token is no matter: a socket may stay for longer.
pub async fn still_counts(platform: &Platform, session: &Session) -> Result<()> {
    let key = key(session.user);
    let state = match platform.cache().get::<State>(&key).await {
        Some(state) => state,
        None => {
            let state = stored(platform, session.user).await?.ok_or_else(Error::invalid_token)?;
            platform.cache().set_if_absent(&key, &state, CACHED).await;
            state
        }
    };
    if state.allows(session) { Ok(()) } else { Err(Error::invalid_token()) }
}

/// The session of a socket's handshake, with the contract's words for its refusal.
///
/// # Errors
/// The refusal to answer with.
pub async fn of_handshake(platform: &Platform, handshake: &Handshake) -> Result<Session, Refusal> {
    let header = handshake.cookie.as_deref().filter(|header| !header.trim().is_empty());
    let header = header.ok_or_else(|| Refusal::new("Unauthorized - No cookies"))?;
    let token = cookies::find(header, COOKIE).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Refusal::new("Unauthorized - No token"))?;
    check(platform, &token).await.map_err(|error| {
        if error.is_refusal() {
            Refusal::new("Unauthorized - Invalid or expired token")
        } else {
            Refusal::from(error)
        }
    })
}

/// Makes a committed change of a user's state count everywhere at once.
///
/// # Errors
/// Those of the store. The change itself is made already.
pub async fn publish(platform: &Platform, user: Id) -> Result<(), DocumentError> {
    platform.cache().refresh(&key(user), CACHED, || stored(platform, user)).await
}

async fn stored(platform: &Platform, user: Id) -> Result<Option<State>, DocumentError> {
    let query = eq("_id", user).include(["sessions"]);
    let owner: Option<Owner> = platform.documents().find_one(&OWNERS, query).await?;
    Ok(owner.map(|owner| owner.sessions))
}
