//! Why a request is refused, as a client sees it.

use http::StatusCode;
use pingtalk_tenancy::{control::ControlError, deploy::DeployError};

use crate::platform::PlatformError;

/// A refusal: its status, a word for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Which part of the request is wrong.
    pub(crate) field: Option<String>,
    /// Seconds after which it may be tried again.
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, retry_after: None }
    }

    /// The request is wrong.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let field = Some(field.to_owned());
        Self { field, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(2), ..problem }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let message = error.to_string();
        match error {
            ControlError::NotFound { .. } => Self::not_found(message),
            ControlError::Exists { .. } => Self::new(StatusCode::CONFLICT, "exists", message),
            ControlError::HostTaken { .. } => {
                let problem = Self::new(StatusCode::CONFLICT, "host_taken", message);
                Self { field: Some("hosts".to_owned()), ..problem }
            }
            ControlError::Busy(_) => Self::new(StatusCode::CONFLICT, "busy", message),
            ControlError::Invalid(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
            }
            ControlError::Damaged(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", message)
            }
            ControlError::Unavailable(_) => Self::unavailable(message),
        }
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let message = error.to_string();
        let refused = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message.clone());
        match error {
            DeployError::Control(error) => error.into(),
            DeployError::Manifest(_) => {
                Self { field: Some("manifest".to_owned()), ..refused("manifest") }
            }
            DeployError::MissingComponent(name) | DeployError::UnknownComponent(name) => {
                Self { field: Some(format!("components.{name}")), ..refused("components") }
            }
            DeployError::Unsigned { .. } => {
                Self { field: Some("signatures".to_owned()), ..refused("unsigned") }
            }
            DeployError::NotAllowed(_) => Self::new(StatusCode::FORBIDDEN, "not_allowed", message),
            DeployError::Load(_) | DeployError::Assemble(_) => refused("does_not_start"),
            DeployError::TakenBack(_) => Self::new(StatusCode::CONFLICT, "taken_back", message),
        }
    }
}

impl From<PlatformError> for Problem {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::NotFound(message) => Self::not_found(message),
            PlatformError::Unavailable(message) => Self::unavailable(message),
        }
    }
}
