//! Signatures of uploads: Ed25519 (RFC 8032) over the file's bytes, as `openssl pkeyutl -sign -rawin`
//! makes them.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::control::ControlError;

/// Bytes of a public key.
const KEY_BYTES: usize = 32;
/// What stands before the key in its DER form (RFC 8410, section 10.1), which `openssl pkey
/// -pubout` writes.
const DER_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key in Base64, from that, from DER in Base64 or from PEM.
///
/// # Errors
/// When it is none.
pub fn public_key(text: &str) -> Result<String, ControlError> {
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let bytes = STANDARD.decode(&body).unwrap_or_default();
    let key = bytes.strip_prefix(&DER_PREFIX).unwrap_or(&bytes);
    if key.len() == KEY_BYTES {
        return Ok(STANDARD.encode(key));
    }
    Err(ControlError::Invalid(
        "a signer is an Ed25519 public key: give the file that `openssl pkey -in key.pem -pubout` \
         writes"
            .to_owned(),
    ))
}

/// Checks a signature against all keys. The error says what is wrong.
pub(super) fn verify(
    signers: &BTreeSet<String>,
    content: &[u8],
    signature: Option<&str>,
) -> Result<(), String> {
    let Some(signature) = signature else { return Err("there is no signature".to_owned()) };
    let signature =
        STANDARD.decode(signature.trim()).map_err(|_| "the signature is not Base64".to_owned())?;
    let fits = |signer: &String| {
        let key = STANDARD.decode(signer).unwrap_or_default();
        UnparsedPublicKey::new(&ED25519, key).verify(content, &signature).is_ok()
    };
    if signers.iter().any(fits) { Ok(()) } else { Err("its signature fits no key".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{Ed25519KeyPair, KeyPair},
    };

    use super::*;

    fn pair() -> Ed25519KeyPair {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
    }

    #[test]
    fn a_signature_fits_its_key_and_content_only() {
        let (ours, theirs) = (pair(), pair());
        let signers = BTreeSet::from([STANDARD.encode(ours.public_key())]);
        let sign = |pair: &Ed25519KeyPair| STANDARD.encode(pair.sign(b"content"));
        assert_eq!(verify(&signers, b"content", Some(&sign(&ours))), Ok(()));
        assert!(verify(&signers, b"other", Some(&sign(&ours))).is_err());
        assert!(verify(&signers, b"content", Some(&sign(&theirs))).is_err());
        assert!(verify(&signers, b"content", Some("?")).is_err());
        assert!(verify(&signers, b"content", None).is_err());
        assert!(verify(&BTreeSet::new(), b"content", Some(&sign(&ours))).is_err());
    }

    #[test]
    fn keys_are_read_as_openssl_writes_them() {
        let raw = pair().public_key().as_ref().to_vec();
        let plain = STANDARD.encode(&raw);
        let der = STANDARD.encode([DER_PREFIX.as_slice(), &raw].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        for text in [&plain, &der, &pem] {
            assert_eq!(public_key(text).unwrap(), plain);
        }
        assert!(public_key("AAAA").is_err());
        assert!(public_key("").is_err());
    }
}
