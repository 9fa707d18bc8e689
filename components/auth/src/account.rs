//! What is stored about a user, as the original stored it: `authDB.auths`.
//!
//! None of these types has a `Debug`: each holds a password's hash.

use pingtalk_sdk::{
    documents::{Collection, Date, Id},
    serde::{Deserialize, Serialize},
    session::State,
};

/// Users. The manifest declares the unique index on `emailId` that decides who gets an address.
pub(crate) static ACCOUNTS: Collection<Account> = Collection::new("authDB", "auths");

/// A user as sign-up writes one.
#[derive(Serialize, Deserialize)]
#[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
pub(crate) struct Account {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// In the form of [`crate::email::normalise`].
    pub(crate) email_id: String,
    /// A bcrypt hash.
    pub(crate) password: String,
    pub(crate) created_at: Date,
    pub(crate) updated_at: Date,
}

/// The part of a user that proves who they are.
#[derive(Deserialize)]
#[serde(crate = "pingtalk_sdk::serde", rename_all = "camelCase")]
pub(crate) struct Credentials {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) email_id: String,
    /// A bcrypt hash.
    pub(crate) password: String,
    /// Which of the user's tokens count.
    #[serde(default)]
    pub(crate) sessions: State,
}

/// The stored fields of [`Credentials`].
pub(crate) const CREDENTIALS: [&str; 3] = ["emailId", "password", "sessions"];
