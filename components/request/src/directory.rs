//! This service's own directory of users, `requestDB.users`, filled from `auth.user.created`:
//! an invite names its recipient by e-mail, and asking another service on every invite would
//! make both fail together. Unique on `userId` and on `email`.

use pingtalk_sdk::prelude::*;

/// Longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3 less the angle brackets).
const MAX_EMAIL_BYTES: usize = 254;

pub(crate) static USERS: Collection<User> = Collection::new("requestDB", "users");

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: Id,
    pub(crate) email: String,
}

/// An e-mail address as it is stored and compared.
pub(crate) fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The user with this (normal) e-mail address.
///
/// # Errors
/// Those of the store.
pub(crate) async fn by_email(
    platform: &pingtalk_sdk::Platform,
    email: &str,
) -> Result<Option<User>> {
    if email.len() > MAX_EMAIL_BYTES {
        return Ok(None);
    }
    Ok(platform.documents().find_one(&USERS, eq("email", email)).await?)
}
