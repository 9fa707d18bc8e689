//! `pingtalk status`, `audit` and `drain`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    Remote,
    client::AdminClient,
    report::{ago, list, number, short, table, text},
};
use crate::age::rounded;

#[derive(Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn status(options: &StatusOptions) -> Result<()> {
    let command = async |client: AdminClient| client.get("/v1/status").await;
    options.remote.run(command, print)
}

fn print(status: &Value) {
    let seconds = |name: &str| status.get(name).and_then(Value::as_f64).unwrap_or_default();
    let gateway = status.get("gateway").unwrap_or(&Value::Null);
    println!(
        "pingtalk {}, up for {}, {} MiB, {:.1} s of CPU, {} threads",
        text(status, "version"),
        rounded(Duration::from_secs_f64(seconds("uptime_seconds").max(0.0))),
        number(status, "memory_bytes") / (1024 * 1024),
        seconds("cpu_seconds"),
        number(status, "cores"),
    );
    println!(
        "{} connections, {} requests in flight; {} of {} tenants open\n",
        number(gateway, "connections"),
        number(gateway, "in_flight"),
        list(status, "tenants").len(),
        number(status, "tenants_known"),
    );
    let rows: Vec<_> = list(status, "tenants").iter().map(tenant).collect();
    let head = ["TENANT", "RELEASE", "REQUESTS", "5XX", "INSTANCES", "SOCKETS", "WAITING", "DEAD"];
    table(&head, &rows);
}

fn tenant(tenant: &Value) -> Vec<String> {
    let responses = |classes: &dyn Fn(usize) -> bool| -> u64 {
        let routes = list(tenant, "routes").iter();
        let counts = routes.flat_map(|route| list(route, "responses").iter().enumerate());
        counts.filter(|(class, _)| classes(*class)).filter_map(|(_, count)| count.as_u64()).sum()
    };
    let sum = |items: &str, field: &str| -> u64 {
        list(tenant, items).iter().map(|item| number(item, field)).sum()
    };
    let sockets = tenant.get("sockets").map_or(0, |sockets| number(sockets, "sockets"));
    vec![
        text(tenant, "name").to_owned(),
        short(text(tenant, "release")).to_owned(),
        responses(&|_| true).to_string(),
        // The classes start with 1xx.
        responses(&|class| class == 4).to_string(),
        sum("components", "instances").to_string(),
        sockets.to_string(),
        sum("queues", "waiting").to_string(),
        sum("queues", "dead").to_string(),
    ]
}

#[derive(Args)]
pub(crate) struct AuditOptions {
    /// Only changes of this tenant
    #[arg(long, short, value_name = "NAME")]
    tenant: Option<String>,
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn audit(options: &AuditOptions) -> Result<()> {
    let mut path = format!("/v1/audit?limit={}", options.limit);
    if let Some(tenant) = &options.tenant {
        path.push_str("&tenant=");
        path.push_str(tenant);
    }
    let command = async |client: AdminClient| client.get(&path).await;
    options.remote.run(command, |answer| {
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<_> = items
            .iter()
            .map(|entry| {
                let field = |name: &str| text(entry, name).to_owned();
                vec![
                    number(entry, "number").to_string(),
                    ago(entry, "at"),
                    field("by"),
                    field("action"),
                    field("tenant"),
                    field("outcome"),
                ]
            })
            .collect();
        table(&["", "WHEN", "BY", "ACTION", "TENANT", "OUTCOME"], &rows);
    })
}

pub(crate) fn drain(options: &StatusOptions) -> Result<()> {
    let command = async |client: AdminClient| client.post("/v1/drain", json!({})).await;
    options.remote.run(command, |_| println!("the host finishes the calls in hand and ends"))
}
