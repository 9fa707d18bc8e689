//! Who a handle belongs to.

use std::{fmt, sync::Arc};

/// A tenant's name: 1 to 40 characters of `a-z`, `0-9` and `-`, starting with a letter.
///
/// It becomes part of file names, database names and keys, hence the narrow alphabet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// A name that can't be a tenant's.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` can't name a tenant: use 1 to 40 of a-z, 0-9 and -, starting with a letter")]
pub struct InvalidTenantId(String);

/// The hosts' own namespace.
const CONTROL: &str = "pingtalk-control";

impl TenantId {
    /// The name of the tenant without a prefix.
    pub const DEFAULT: &str = "default";

    /// The tenant without a prefix, whose data lie where the original PingTalk's do.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::from(Self::DEFAULT))
    }

    /// Where hosts keep what they know of tenants: a namespace that no tenant can have.
    #[must_use]
    pub fn control() -> Self {
        Self(Arc::from(CONTROL))
    }

    /// Checks and takes a name.
    ///
    /// # Errors
    /// When a character or the length is not allowed, or the name is the hosts' own.
    pub fn new(name: &str) -> Result<Self, InvalidTenantId> {
        let letters = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let ok = name.len() <= 40
            && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && name.bytes().all(letters)
            && name != CONTROL;
        if ok { Ok(Self(Arc::from(name))) } else { Err(InvalidTenantId(name.to_owned())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the tenant without a prefix.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == Self::DEFAULT
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
