//! Whose keys are whose in one Redis, and the trait's bounds.

use std::time::Duration;

use pingtalk_capabilities::{
    TenantId,
    cache::{CacheError, MAX_KEY_BYTES, MAX_VALUE_BYTES},
};

/// What the host's own keys begin with, other tenants' among them.
const RESERVED: &str = "pingtalk:";

pub(crate) fn invalid(text: &str) -> CacheError {
    CacheError::Invalid(text.to_owned())
}

/// A tenant's place among the keys.
pub(crate) struct Scope {
    /// Empty for the default tenant, whose keys are the original's.
    prefix: String,
}

impl Scope {
    pub(crate) fn of(tenant: &TenantId) -> Self {
        // A tenant's name holds no colon, so that no two tenants' keys can be the same.
        let prefix =
            if tenant.is_default() { String::new() } else { format!("{RESERVED}cache:{tenant}:") };
        Self { prefix }
    }

    /// The key in Redis.
    pub(crate) fn key(&self, key: &str) -> Result<String, CacheError> {
        if key.len() > MAX_KEY_BYTES {
            return Err(invalid("a key is at most 512 bytes"));
        }
        if self.prefix.is_empty() && key.starts_with(RESERVED) {
            return Err(invalid("keys that begin with `pingtalk:` are the host's"));
        }
        Ok(format!("{}{key}", self.prefix))
    }
}

/// A life in milliseconds, within Redis's range.
pub(crate) fn ttl_ms(ttl: Duration, longest: Duration) -> Result<u64, CacheError> {
    if ttl.is_zero() {
        return Err(invalid("an expiry is at least 1 ms"));
    }
    Ok(u64::try_from(ttl.min(longest).as_millis()).unwrap_or(u64::MAX).max(1))
}

pub(crate) fn check_value(value: &[u8]) -> Result<(), CacheError> {
    if value.len() > MAX_VALUE_BYTES { Err(invalid("a value is at most 1 MiB")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_default_tenant_has_the_originals_keys_and_no_others() {
        let default = Scope::of(&TenantId::default_tenant());
        assert_eq!(default.key("profile:1").unwrap(), "profile:1");
        let acme = Scope::of(&TenantId::new("acme").unwrap());
        let theirs = acme.key("profile:1").unwrap();
        assert_eq!(theirs, "pingtalk:cache:acme:profile:1");
        assert!(default.key(&theirs).is_err(), "one tenant can't spell another's key");
        assert_ne!(theirs, Scope::of(&TenantId::new("acm").unwrap()).key("e:profile:1").unwrap());
    }

    #[test]
    fn a_life_is_at_least_a_millisecond() {
        let day = Duration::from_secs(86_400);
        assert_eq!(ttl_ms(Duration::from_nanos(1), day), Ok(1));
        assert_eq!(ttl_ms(Duration::MAX, day), Ok(86_400_000));
        assert!(ttl_ms(Duration::ZERO, day).is_err());
    }
}
