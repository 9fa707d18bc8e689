//! Why the control store refuses or fails.

use pingtalk_capabilities::documents::DocumentError;

/// Why a change or a look failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    /// What was asked for is not there.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Tenant, release, ….
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What was to be made is there.
    #[error("the {what} `{name}` exists already")]
    Exists {
        /// Tenant, ….
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A host name leads to one tenant only.
    #[error("the host name `{host}` belongs to the tenant `{tenant}`")]
    HostTaken {
        /// The host name.
        host: String,
        /// Whose it is.
        tenant: String,
    },
    /// Others changed the same thing, again and again.
    #[error("`{0}` is being changed by others: try again")]
    Busy(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// What is stored can't be understood.
    #[error("the control store holds something that can't be read: {0}")]
    Damaged(String),
    /// The store is away. May be tried again.
    #[error("the control store is unavailable: {0}")]
    Unavailable(String),
}

impl From<DocumentError> for ControlError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable(why) => Self::Unavailable(why),
            DocumentError::DeadlineExceeded => Self::Unavailable("it did not answer".to_owned()),
            DocumentError::QuotaExceeded => Self::Unavailable("it is full".to_owned()),
            other => Self::Damaged(other.to_string()),
        }
    }
}
