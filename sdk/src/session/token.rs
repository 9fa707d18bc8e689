//! Tokens: JWTs (RFC 7519) signed with HMAC-SHA-256, as the original's `jsonwebtoken` made them.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Session, State};
use crate::{Error, Platform, Result, VariableError, documents::Id, percent};

/// How long a token lives.
pub const TTL_SECONDS: i64 = 24 * 60 * 60;
/// Random bytes that tell tokens of one user and second apart.
const TOKEN_ID_BYTES: usize = 8;
/// Longest token that is looked at, in bytes; ours have about 220.
const MAX_TOKEN_BYTES: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Claims {
    _id: Id,
    iat: i64,
    exp: i64,
}

/// The secret, prepared.
pub(crate) struct Keys {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

impl Keys {
    pub(crate) fn new(secret: &str) -> Result<Self, VariableError> {
        if secret.is_empty() {
            // Everybody could sign with it.
            return Err(VariableError::Missing("jwt_secret".to_owned()));
        }
        super::hmac::install();
        let mut validation = Validation::new(Algorithm::HS256);
        // The dates are checked here, against the host's clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            signing: EncodingKey::from_secret(secret.as_bytes()),
            checking: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        })
    }
}

/// A fresh token.
#[derive(Clone)]
pub struct Issued {
    /// The token: a secret.
    pub token: String,
    /// What it is good for.
    pub session: Session,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Makes a token for a user who has just been created.
///
/// # Errors
/// 500 when the secret is not set.
pub fn issue(platform: &Platform, user: Id) -> Result<Issued> {
    issue_for(platform, user, &State::default())
}

/// Makes a token for a user with this state. It is not dated before the state's `valid_from`, so
/// that a login right after a password change works.
///
/// # Errors
/// 500 when the secret is not set.
pub fn issue_for(platform: &Platform, user: Id, state: &State) -> Result<Issued> {
    let issued_at = platform.now().unix_seconds().max(state.valid_from.unwrap_or(i64::MIN));
    let claims = Claims { _id: user, iat: issued_at, exp: issued_at.saturating_add(TTL_SECONDS) };
    let mut header = Header::new(Algorithm::HS256);
    // Two logins of one second must be two tokens, or ending one session would end the other. It
    // stands in the header (RFC 7519, section 5.3), so that the claims stay the original's three.
    header.extras.insert("jti", platform.random_hex(TOKEN_ID_BYTES));
    let token = jsonwebtoken::encode(&header, &claims, &platform.keys()?.signing)
        .map_err(|error| Error::internal(format!("token was not signed: {error}")))?;
    let session = Session { user, token_id: token_id(&token), issued_at, expires_at: claims.exp };
    Ok(Issued { token, session })
}

/// Checks signature, algorithm and dates, not whether the session was ended.
///
/// # Errors
/// The contract's 401 for an invalid token; 500 when the secret is not set.
pub(super) fn read(platform: &Platform, token: &str) -> Result<Session> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::invalid_token());
    }
    let keys = platform.keys()?;
    let claims = jsonwebtoken::decode::<Claims>(token, &keys.checking, &keys.validation)
        .map_err(|_| Error::invalid_token())?
        .claims;
    if claims.exp <= platform.now().unix_seconds() {
        return Err(Error::invalid_token());
    }
    Ok(Session {
        user: claims._id,
        token_id: token_id(token),
        issued_at: claims.iat,
        expires_at: claims.exp,
    })
}

/// Names a token: the first 16 bytes of its SHA-256, in hex.
#[must_use]
pub fn token_id(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    percent::hex(digest.get(..16).unwrap_or_default())
}
