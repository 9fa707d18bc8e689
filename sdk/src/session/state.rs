//! What ends sessions early: a part of the user's document, `authDB.auths.sessions`.

use serde::{Deserialize, Serialize};

use super::Session;
use crate::{
    Platform,
    documents::{Changes, Collection, Date, DocumentError, Transaction, Value, eq},
};

/// Most revoked tokens kept for one user. Beyond, all of the user's tokens end at once.
const MAX_REVOKED: usize = 100;
/// Most expired entries that one change clears away, within a commit's bound on writes.
const MAX_CLEARED: usize = 20;

/// A token that was ended. It is forgotten once it would have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The token's id.
    pub id: String,
    /// When it expires, in Unix seconds.
    pub exp: i64,
}

/// Which of a user's tokens count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Tokens issued before this (Unix seconds) have ended, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
    /// … but for these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// These have ended in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revoked>,
}

impl State {
    /// True unless the session was ended.
    #[must_use]
    pub fn allows(&self, session: &Session) -> bool {
        let in_time = self.valid_from.is_none_or(|from| session.issued_at >= from);
        (in_time || self.kept.contains(&session.token_id))
            && !self.revoked.iter().any(|revoked| revoked.id == session.token_id)
    }
}

/// The part of the user's document that matters here.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owner {
    #[serde(default)]
    pub(super) sessions: State,
}

pub(super) static OWNERS: Collection<Owner> = Collection::new("authDB", "auths");

/// Adds to the changes of a user's document what ends all of the user's sessions but this one.
/// Call [`publish`](super::publish) when they are committed.
#[must_use]
pub fn end_others(changes: Changes, session: &Session, now: Date) -> Changes {
    // Tokens of this very second end too; new ones are dated after it.
    let valid_from = now.unix_seconds().saturating_add(1);
    changes
        .set("sessions.validFrom", valid_from)
        .set("sessions.kept", Value::array([session.token_id.as_str()]))
}

/// Ends a session: adds its token to the revoked ones.
///
/// # Errors
/// Those of the store; a user who is gone is no error.
pub async fn revoke(platform: &Platform, session: &Session) -> Result<(), DocumentError> {
    let owner = eq("_id", session.user);
    let query = owner.clone().include(["sessions"]);
    let Some(Owner { sessions }) = platform.documents().find_one(&OWNERS, query).await? else {
        return Ok(());
    };
    if !sessions.allows(session) {
        return Ok(());
    }
    let now = platform.now();
    let (expired, live): (Vec<_>, Vec<_>) =
        sessions.revoked.iter().partition(|revoked| revoked.exp <= now.unix_seconds());
    let first = if live.len() >= MAX_REVOKED {
        Changes::new().set("sessions", Value::of(&end_all(now))?)
    } else {
        let entry = Revoked { id: session.token_id.clone(), exp: session.expires_at };
        Changes::new().push("sessions.revoked", Value::of(&entry)?)
    };
    let mut transaction = Transaction::new().update(&OWNERS, owner.clone(), first);
    // One write for each: a write may touch a field only once.
    for entry in expired.into_iter().take(MAX_CLEARED) {
        let changes = Changes::new().pull("sessions.revoked", Value::of(entry)?);
        transaction = transaction.update(&OWNERS, owner.clone(), changes);
    }
    match platform.commit(transaction).await {
        Ok(_) => super::check::publish(platform, session.user).await,
        // The user went away in between.
        Err(DocumentError::Unmatched) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A state in which no token issued until now counts.
fn end_all(now: Date) -> State {
    State { valid_from: Some(now.unix_seconds().saturating_add(1)), ..State::default() }
}
