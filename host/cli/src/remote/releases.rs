//! `pingtalk rollback`, `canary`, `releases` and `diff`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Remote, TenantOption,
    client::AdminClient,
    report::{ago, changes, list, number, short, table, text},
};

#[derive(Args)]
pub(crate) struct RollbackOptions {
    /// The release to take back [default: the one in force before this one]
    #[arg(value_name = "RELEASE")]
    to: Option<String>,
    #[command(flatten)]
    tenant: TenantOption,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn rollback(options: &RollbackOptions) -> Result<()> {
    let tenant = &options.tenant.tenant;
    let command = async |client: AdminClient| {
        let to = match &options.to {
            Some(to) => Some(whole(&client, tenant, to).await?),
            None => None,
        };
        client.post(&format!("/v1/tenants/{tenant}/rollback"), json!({ "to": to })).await
    };
    options.remote.run(command, |answer| {
        println!("release {} is in force for {tenant}", short(text(answer, "release")));
    })
}

/// A release's whole id, of which its first digits may be given.
async fn whole(client: &AdminClient, tenant: &str, start: &str) -> Result<String> {
    let releases = client.get(&format!("/v1/tenants/{tenant}/releases")).await?;
    let mut found = Vec::new();
    for release in releases.as_array().map(Vec::as_slice).unwrap_or_default() {
        let id = text(release, "id");
        if id.starts_with(start) {
            found.push(id.to_owned());
        }
    }
    match found.as_slice() {
        [id] => Ok(id.clone()),
        // The host says that it has no such release.
        [] => Ok(start.to_owned()),
        several => anyhow::bail!("`{start}` may be {}: write more digits", several.join(" or ")),
    }
}

/// What becomes of a trial.
#[derive(Clone, Copy, ValueEnum)]
enum Outcome {
    /// Its release comes into force.
    Promote,
    /// Its release is taken away.
    Cancel,
}

#[derive(Args)]
pub(crate) struct CanaryOptions {
    /// What becomes of the trial
    outcome: Outcome,
    #[command(flatten)]
    tenant: TenantOption,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn canary(options: &CanaryOptions) -> Result<()> {
    let tenant = &options.tenant.tenant;
    let (end, said) = match options.outcome {
        Outcome::Promote => ("promote", "is in force for"),
        Outcome::Cancel => ("cancel", "is taken away from"),
    };
    let path = format!("/v1/tenants/{tenant}/canary/{end}");
    let command = async |client: AdminClient| client.post(&path, json!({})).await;
    options.remote.run(command, |answer| {
        println!("release {} {said} {tenant}", short(text(answer, "release")));
    })
}

#[derive(Args)]
pub(crate) struct ReleasesOptions {
    #[command(flatten)]
    tenant: TenantOption,
    /// Show when each came into force, instead
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn releases(options: &ReleasesOptions) -> Result<()> {
    let what = if options.history { "deployments" } else { "releases" };
    let path = format!("/v1/tenants/{}/{what}", options.tenant.tenant);
    let command = async |client: AdminClient| client.get(&path).await;
    options.remote.run(command, |answer| {
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        if options.history {
            let rows: Vec<_> = items.iter().map(deployment).collect();
            table(&["", "RELEASE", "HOW", "WHEN", "BY"], &rows);
        } else {
            let rows: Vec<_> = items.iter().map(release).collect();
            table(&["", "RELEASE", "MADE", "BY", "COMPONENTS"], &rows);
        }
    })
}

fn release(item: &Value) -> Vec<String> {
    let in_force = item.get("in_force").and_then(Value::as_bool).unwrap_or_default();
    let mark = match item.get("canary").and_then(Value::as_u64) {
        _ if in_force => "*".to_owned(),
        Some(percent) => format!("{percent}%"),
        None => String::new(),
    };
    let components = item.get("components").and_then(Value::as_object);
    let components = components
        .into_iter()
        .flatten()
        .map(|(name, digest)| format!("{name}@{}", short(digest.as_str().unwrap_or_default())));
    vec![
        mark,
        short(text(item, "id")).to_owned(),
        ago(item, "created_at"),
        text(item, "created_by").to_owned(),
        components.collect::<Vec<_>>().join(" "),
    ]
}

fn deployment(item: &Value) -> Vec<String> {
    vec![
        number(item, "number").to_string(),
        short(text(item, "release")).to_owned(),
        text(item, "kind").to_owned(),
        ago(item, "at"),
        text(item, "by").to_owned(),
    ]
}

#[derive(Args)]
pub(crate) struct DiffOptions {
    /// A release
    from: String,
    /// The release that is held against it [default: the one in force]
    to: Option<String>,
    #[command(flatten)]
    tenant: TenantOption,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn diff(options: &DiffOptions) -> Result<()> {
    let tenant = &options.tenant.tenant;
    let command = async |client: AdminClient| {
        let from = whole(&client, tenant, &options.from).await?;
        let to = match &options.to {
            Some(to) => whole(&client, tenant, to).await?,
            None => {
                let record = client.get(&format!("/v1/tenants/{tenant}")).await?;
                text(&record, "release").to_owned()
            }
        };
        client.get(&format!("/v1/tenants/{tenant}/diff?from={from}&to={to}")).await
    };
    options.remote.run(command, |answer| {
        let nothing = ["components", "granted", "withdrawn", "settings"];
        if nothing.iter().all(|field| list(answer, field).is_empty()) {
            println!("no difference");
        }
        changes(answer);
    })
}
