//! Who may do what: bearer tokens (RFC 6750) with a scope.

use std::fmt;

use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::routes::Scope;

/// Shortest secret, in bytes. A generated one has 64.
const MIN_SECRET_BYTES: usize = 24;

/// A token. Only its digest is kept, and Debug shows none of it.
#[derive(Clone)]
pub struct Token {
    name: String,
    scope: Scope,
    digest: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the admin token `{name}` is too short: use {MIN_SECRET_BYTES} characters or more")]
pub struct InvalidToken {
    name: String,
}

impl Token {
    /// A token by the name that the audit log shows.
    ///
    /// # Errors
    /// When the secret could be guessed.
    pub fn new(name: &str, scope: Scope, secret: &str) -> Result<Self, InvalidToken> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(InvalidToken { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), scope, digest: Sha256::digest(secret).into() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }
}

/// The token that a request carries. The time it takes says nothing about how much of a secret was
/// right: digests of equal length are compared, all of them, each in constant time.
pub(crate) fn find<'t>(tokens: &'t [Token], headers: &HeaderMap) -> Option<&'t Token> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, secret) = value.split_at_checked("Bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let digest: [u8; 32] = Sha256::digest(secret.trim_ascii()).into();
    let mut found = None;
    for token in tokens {
        if bool::from(token.digest.ct_eq(&digest)) {
            found = Some(token);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn the_right_token_is_found() {
        let secret = |letter: &str| letter.repeat(MIN_SECRET_BYTES);
        let tokens = [
            Token::new("ann", Scope::Read, &secret("a")).unwrap(),
            Token::new("bob", Scope::Admin, &secret("b")).unwrap(),
        ];
        let name = |value: &str| find(&tokens, &headers(value)).map(Token::name);
        assert_eq!(name(&format!("Bearer {}", secret("a"))), Some("ann"));
        assert_eq!(name(&format!("bearer  {} ", secret("b"))), Some("bob"));
        for wrong in ["", "Bearer", "Bearer ", &secret("a"), &format!("Basic {}", secret("a"))] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert_eq!(name(&format!("Bearer {}a", secret("a"))), None);
        assert!(find(&tokens, &HeaderMap::new()).is_none());
    }

    #[test]
    fn a_token_shows_nothing_and_is_long() {
        let token = Token::new("ann", Scope::Read, &"s".repeat(64)).unwrap();
        assert_eq!(format!("{token:?}"), "Token { name: \"ann\", scope: Read, .. }");
        assert!(Token::new("ann", Scope::Read, "short").is_err());
    }
}
