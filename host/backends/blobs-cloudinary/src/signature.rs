//! Signatures of requests, as Cloudinary publishes the rule
//! (<https://cloudinary.com/documentation/authentication_signatures>): the parameters sorted by name,
//! joined as `name=value` with `&`, the secret behind them, and of all that a digest in hexadecimal.
//!
//! `file`, `cloud_name`, `resource_type` and `api_key` are left out. No value of ours has a `&`, so
//! the join is unambiguous.

use std::collections::BTreeMap;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::config::SignatureAlgorithm;

/// What is signed: names and values, sorted by name.
pub(crate) type Parameters = BTreeMap<&'static str, String>;

/// The signature of these parameters.
pub(crate) fn sign(parameters: &Parameters, secret: &str, algorithm: SignatureAlgorithm) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signed = format!("{}{secret}", pairs.join("&"));
    // A digest over secret and text, without a MAC's construction: the service's rule, not ours.
    let algorithm = match algorithm {
        SignatureAlgorithm::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
        SignatureAlgorithm::Sha256 => &SHA256,
    };
    digest(algorithm, signed.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documentation's example, and its digest with the other algorithm by `sha256sum`.
    #[test]
    fn signs_as_published() {
        let parameters = Parameters::from([
            ("timestamp", "1315060510".to_owned()),
            ("public_id", "sample_image".to_owned()),
            ("eager", "w_400,h_300,c_pad|w_260,h_200,c_crop".to_owned()),
        ]);
        assert_eq!(
            sign(&parameters, "abcd", SignatureAlgorithm::Sha1),
            "bfd09f95f331f558cbd1320e67aa8d488770583e"
        );
        assert_eq!(
            sign(&parameters, "abcd", SignatureAlgorithm::Sha256),
            "cc927e1290f9e3ae4c1a741eda21a4630b4ce80f9ce0bc0296337d25cf40f91e"
        );
    }

    /// The support pages' sanity check.
    #[test]
    fn passes_the_sanity_check() {
        let parameters = Parameters::from([
            ("timestamp", "1315060510".to_owned()),
            ("public_id", "sample_image".to_owned()),
        ]);
        assert_eq!(
            sign(&parameters, "abcd", SignatureAlgorithm::Sha1),
            "b4ad47fb4e25c7bf5f92a20089f9db59bc302313"
        );
    }
}
