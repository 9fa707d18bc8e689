//! Secrets at rest: sealed with a key that is not in the store, so that a copy of the store gives
//! nothing away.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};

use super::error::ControlError;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A sealed value: a random nonce and the ciphertext, in Base64. Its Debug shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}

/// The key that all hosts of one control store share.
#[derive(Clone)]
pub struct ControlKey(Arc<LessSafeKey>);

impl fmt::Debug for ControlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(control key)")
    }
}

/// Not a key.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a control key is 64 hexadecimal digits (`openssl rand -hex 32` makes one)")]
pub struct InvalidKey;

impl ControlKey {
    /// Reads a key.
    ///
    /// # Errors
    /// When it is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(InvalidKey);
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidKey)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidKey)?;
        }
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| InvalidKey)?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// Seals a tenant's secret. It can be opened for that tenant and name only: a value that is
    /// moved to another place in the store does not open.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, tenant: &str, name: &str, value: &str) -> Result<Sealed, ControlError> {
        let broken = |_| ControlError::Invalid(format!("the secret `{name}` can't be sealed"));
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(broken)?;
        let mut bytes = value.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place(tenant, name)),
                &mut bytes,
            )
            .map_err(broken)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut bytes);
        Ok(Sealed(STANDARD.encode(sealed)))
    }

    /// Opens a secret.
    ///
    /// # Errors
    /// When it was sealed with another key, or is damaged.
    pub fn open(&self, tenant: &str, name: &str, sealed: &Sealed) -> Result<String, ControlError> {
        let opened = || {
            let bytes = STANDARD.decode(&sealed.0).ok()?;
            let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut bytes = ciphertext.to_vec();
            let value =
                self.0.open_in_place(nonce, Aad::from(place(tenant, name)), &mut bytes).ok()?;
            String::from_utf8(value.to_vec()).ok()
        };
        opened().ok_or_else(|| {
            ControlError::Damaged(format!(
                "the secret `{name}` of the tenant `{tenant}` was sealed with another key: give all \
                 hosts the same `control_key`, or set the secret again"
            ))
        })
    }
}

fn place(tenant: &str, name: &str) -> Vec<u8> {
    format!("{tenant}/{name}").into_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(digit: &str) -> ControlKey {
        ControlKey::from_hex(&digit.repeat(64)).unwrap()
    }

    #[test]
    fn a_secret_opens_where_it_belongs_only() {
        let sealed = key("a").seal("shop", "jwt_secret", "hush").unwrap();
        assert_eq!(key("a").open("shop", "jwt_secret", &sealed).unwrap(), "hush");
        assert!(key("b").open("shop", "jwt_secret", &sealed).is_err());
        assert!(key("a").open("shoq", "jwt_secret", &sealed).is_err());
        assert!(key("a").open("shop", "other", &sealed).is_err());
        assert_ne!(sealed, key("a").seal("shop", "jwt_secret", "hush").unwrap());
        assert_eq!(format!("{sealed:?}"), "(sealed)");
    }

    #[test]
    fn a_key_is_64_digits() {
        for wrong in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
            assert!(ControlKey::from_hex(wrong).is_err(), "{wrong}");
        }
        assert!(ControlKey::from_hex(&format!("{}\n", "0f".repeat(32))).is_ok());
    }
}
