//! What the control store holds of tenants and releases.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{artifacts::Digest, budgets::TenantBudgets, secret::Sealed};

/// A tenant as an operator set it up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantRecord {
    /// Its name, see [`pingtalk_capabilities::TenantId`].
    pub name: String,
    /// The host names that lead to it, in lower case.
    pub hosts: BTreeSet<String>,
    /// The release in force; none until the first deployment.
    pub release: Option<String>,
    /// A release on trial.
    pub canary: Option<Canary>,
    /// Values of its manifest's variables.
    pub variables: BTreeMap<String, String>,
    /// Values that are never shown.
    pub secrets: BTreeMap<String, Sealed>,
    /// Public keys (Ed25519, Base64). When there are any, a release must be signed by one of them.
    pub signers: BTreeSet<String>,
    /// Its components may be granted requests to addresses and `localhost`, which may not be public.
    pub private_outbound: bool,
    /// What it may use on each host.
    pub budgets: TenantBudgets,
    /// Refused at the door: its clients get 503.
    pub suspended: bool,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch.
    pub changed_at: i64,
}

/// A release that serves a share of a tenant's calls beside the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The release.
    pub release: String,
    /// Its share of the calls, 1 to 99.
    pub percent: u8,
}

/// A release: a manifest and the components it names. Immutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Whose it is.
    pub tenant: String,
    /// The first digits of the digest over manifest and components: equal content is one release.
    pub id: String,
    /// The manifest's text.
    pub manifest: String,
    /// Its components' digests, by name.
    pub components: BTreeMap<String, Digest>,
    /// When it was first deployed, in milliseconds since the epoch.
    pub created_at: i64,
    /// Who deployed it first.
    pub created_by: String,
}

/// Which way a release came into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was deployed.
    Deploy,
    /// It was put on trial.
    Canary,
    /// The trial ended well.
    Promote,
    /// The trial was ended.
    Abort,
    /// An earlier release was taken back.
    Rollback,
}

/// One switch of a tenant's release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Whose.
    pub tenant: String,
    /// Counts from 1 within the tenant. Given by the store.
    #[serde(default)]
    pub number: i64,
    /// The release.
    pub release: String,
    /// How it came into force.
    pub kind: Kind,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// By whom.
    pub by: String,
}

/// One change that somebody made or tried to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counts from 1. Given by the store.
    #[serde(default)]
    pub number: i64,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who: the name of the token.
    pub by: String,
    /// From where.
    pub address: String,
    /// What, such as `tenant.create`.
    pub action: String,
    /// Which tenant; empty for the host itself.
    pub tenant: String,
    /// What exactly, without secrets.
    pub detail: String,
    /// `ok`, or why it failed.
    pub outcome: String,
}
