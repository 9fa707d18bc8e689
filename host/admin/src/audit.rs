//! Writes what was changed, or was to be changed, into the audit log.

use std::net::IpAddr;

use pingtalk_tenancy::control::{AuditEntry, ControlStore, now};

use crate::problem::Problem;

/// One change, from its request to its entry.
pub(crate) struct Change<'a> {
    /// The token's name.
    pub(crate) by: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// The route's name, such as `tenant.create`.
    pub(crate) action: &'static str,
    pub(crate) tenant: &'a str,
    /// Method and path: never a body, which may hold a secret.
    pub(crate) detail: String,
}

impl Change<'_> {
    /// Writes the entry. A log that is away must not hide a change: the host's own log has it too.
    pub(crate) async fn ended(self, store: &ControlStore, outcome: Result<(), &Problem>) {
        let outcome = match outcome {
            Ok(()) => "ok".to_owned(),
            Err(problem) => format!("{}: {}", problem.code, problem.message),
        };
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(
            by = self.by,
            address,
            action = self.action,
            tenant = self.tenant,
            outcome,
            "admin"
        );
        let entry = AuditEntry {
            number: 0,
            at: now(),
            by: self.by.to_owned(),
            address,
            action: self.action.to_owned(),
            tenant: self.tenant.to_owned(),
            detail: self.detail,
            outcome,
        };
        if let Err(error) = store.audit(entry).await {
            tracing::error!(%error, action = self.action, "the audit log can't be written");
        }
    }
}
