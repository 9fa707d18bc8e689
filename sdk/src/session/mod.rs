//! Sessions: the `token` cookie, a JWT, and what ends one before it expires.
//!
//! A token is good when its signature and dates are, its user exists, and the user's document
//! does not end it (see [`State`]). Every service checks; only auth changes.

mod check;
mod hmac;
mod state;
mod token;

pub(crate) use token::Keys;
pub use {
    check::{check, of_handshake, publish, still_counts},
    state::{Revoked, State, end_others, revoke},
    token::{Issued, TTL_SECONDS, issue, issue_for, token_id},
};

use serde::{Deserialize, Serialize};

use crate::{Cookie, documents::Id};

/// The cookie's name.
pub const COOKIE: &str = "token";

/// A valid session. It holds no secret, so it may be attached to a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user: Id,
    /// Names the token without being one: the first 16 bytes of its SHA-256, in hex.
    pub token_id: String,
    /// When the token was issued, in Unix seconds.
    pub issued_at: i64,
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
}

impl Session {
    /// The room that every socket of this session is in.
    #[must_use]
    pub fn room(&self) -> String {
        room(&self.token_id)
    }
}

/// The room of the session whose token has this id.
#[must_use]
pub fn room(token_id: &str) -> String {
    format!("session:{token_id}")
}

/// The cookie that carries a token.
#[must_use]
pub fn cookie(token: &str, secure: bool) -> Cookie {
    Cookie::new(COOKIE, token, TTL_SECONDS.unsigned_abs()).secure(secure)
}

/// Makes the client forget its token.
#[must_use]
pub fn clear_cookie(secure: bool) -> Cookie {
    Cookie::clear(COOKIE).secure(secure)
}
