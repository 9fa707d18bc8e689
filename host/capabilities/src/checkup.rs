//! What a backend finds out about its own server when an operator asks: `pingtalk doctor`.
//!
//! Each backend has `pub async fn examine(config: &Config) -> Vec<Finding>`. It tries what the
//! backend will need later (connect, authenticate, write and read something of its own, clean up)
//! within a few seconds, changes nothing else, and never fails: what is wrong is a finding.

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Works, but will disappoint somebody.
    Warning,
    /// The host can't work like this.
    Problem,
}

/// One thing that was looked at. It holds no secret: addresses are shown without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, as a sentence without a full stop.
    pub what: String,
    /// What to do about it; none when it is fine.
    pub advice: Option<String>,
}

impl Finding {
    /// Something as it should be.
    #[must_use]
    pub fn fine(what: impl Into<String>) -> Self {
        Self { severity: Severity::Fine, what: what.into(), advice: None }
    }

    /// Something that works but will disappoint.
    #[must_use]
    pub fn warning(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), advice: Some(advice.into()) }
    }

    /// Something the host can't work with.
    #[must_use]
    pub fn problem(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, what: what.into(), advice: Some(advice.into()) }
    }
}
