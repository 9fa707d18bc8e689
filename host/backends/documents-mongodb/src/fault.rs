//! Stops between the steps of a commit, for tests that kill or delay a host there.
//!
//! A store without them pays for one look at an empty option a step.

use std::{fmt, pin::Pin, sync::Arc};

/// What a test does at a step. It may wait, or end the process.
pub type Fault =
    Arc<dyn Fn(&'static str) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The stops of a store; none outside tests.
#[derive(Clone, Default)]
pub(crate) struct Faults(pub(crate) Option<Fault>);

impl Faults {
    /// Reached after the step of this name.
    pub(crate) async fn after(&self, step: &'static str) {
        if let Some(fault) = &self.0 {
            fault(step).await;
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults" } else { "None" })
    }
}
