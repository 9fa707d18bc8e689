//! From uploaded components to a release in force.
//!
//! A deployment is checked before anything serves it: signatures when the tenant demands them, the
//! manifest, each component's imports against its grants and its exports against what the manifest
//! and the release before need, and a start of every component. What it newly asks for is reported,
//! and can be looked at without deploying.

mod changes;
mod check;
mod closed;
mod deployer;
mod loader;
mod signature;

pub use changes::{Changes, ComponentChange};
pub use deployer::{Deployer, Deployment, Plan, Report, Switch};
pub use loader::{LoadedRelease, Loader};
pub use signature::public_key;

use pingtalk_runtime::LoadError;

use crate::{assemble::AssembleError, control::ControlError, directory::OpenError};

/// Why a deployment is refused or fails. Nothing has changed for clients.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeployError {
    /// The control store refuses or is away.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The manifest is not valid; all findings, one a line.
    #[error("the manifest is not valid\n{0}")]
    Manifest(String),
    /// A component is in the manifest, but there is neither a new one nor one of the release before.
    #[error("component `{0}` is in the manifest, but it was not uploaded")]
    MissingComponent(String),
    /// A component was uploaded that the manifest does not name.
    #[error("component `{0}` is not in the manifest")]
    UnknownComponent(String),
    /// The tenant has signers, and this is signed by none of them.
    #[error("{what} is not signed by any of the tenant's signers: {why}")]
    Unsigned {
        /// The component or the manifest.
        what: String,
        /// What is wrong with its signature.
        why: String,
    },
    /// It asks for what the operator allows this tenant not.
    #[error("{0}")]
    NotAllowed(String),
    /// A component does not compile, link or start.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A component lacks a grant, an export or a variable.
    #[error("{0}")]
    Assemble(String),
    /// The new release did not come up here; the one before is in force again.
    #[error("the release did not come up, the one before is in force again: {0}")]
    TakenBack(OpenError),
}

impl From<AssembleError> for DeployError {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Load(error) => Self::Load(error),
            other => Self::Assemble(other.to_string()),
        }
    }
}
