//! `pingtalk tenants`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Remote,
    client::AdminClient,
    report::{short, table, text, texts},
};

#[derive(Args)]
pub(crate) struct TenantsOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand)]
enum Command {
    /// All tenants
    List,
    /// One tenant
    Show {
        /// Its name
        name: String,
    },
    /// Make a tenant; deploy to it next
    Create {
        /// Its name: lower-case letters, digits and dashes
        name: String,
        /// A host name that leads to it; may be repeated
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change a tenant
    Change {
        /// Its name
        name: String,
        /// All its host names; may be repeated
        #[arg(long = "host", value_name = "HOST")]
        hosts: Option<Vec<String>>,
        /// Refuse its clients
        #[arg(long, conflicts_with = "resume")]
        suspend: bool,
        /// Serve its clients again
        #[arg(long)]
        resume: bool,
        /// A variable to go back to the manifest's default; may be repeated
        #[arg(long = "unset", value_name = "NAME")]
        unset: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove a tenant; its data stay in the backends
    Remove {
        /// Its name
        name: String,
        /// Its name once more
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
}

#[derive(Args)]
struct Settings {
    /// A variable of the manifest; may be repeated. Secrets: `pingtalk secrets`
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// A public key (Ed25519, Base64 or PEM) that releases must be signed with; may be repeated
    #[arg(long = "signer", value_name = "KEY")]
    signers: Option<Vec<String>>,
    /// A budget on each host, such as cpu_ms_per_second=500; without a number it goes back to the
    /// operator's; may be repeated
    #[arg(long = "budget", value_name = "NAME=NUMBER", value_parser = budget)]
    budgets: Vec<(String, Option<u64>)>,
    /// Whether its components may be granted requests to addresses and localhost
    #[arg(long, value_name = "BOOL")]
    private_outbound: Option<bool>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn budget(text: &str) -> Result<(String, Option<u64>), String> {
    let (name, number) = pair(text)?;
    let number = match number.as_str() {
        "" => None,
        number => Some(number.parse().map_err(|_| format!("`{number}` is no whole number"))?),
    };
    Ok((name, number))
}

impl Settings {
    /// What is set here, as the API has it.
    fn put(&self, unset: &[String], body: &mut serde_json::Map<String, Value>) {
        let set = self.variables.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let unset = unset.iter().map(|name| (name.clone(), Value::Null));
        let variables: BTreeMap<String, Value> = set.chain(unset).collect();
        if !variables.is_empty() {
            body.insert("variables".to_owned(), json!(variables));
        }
        if !self.budgets.is_empty() {
            let budgets: BTreeMap<_, _> = self.budgets.iter().cloned().collect();
            body.insert("budgets".to_owned(), json!(budgets));
        }
        if let Some(signers) = &self.signers {
            body.insert("signers".to_owned(), json!(signers));
        }
        if let Some(allowed) = self.private_outbound {
            body.insert("private_outbound".to_owned(), allowed.into());
        }
    }
}

pub(crate) fn tenants(options: &TenantsOptions) -> Result<()> {
    let mut body = serde_json::Map::new();
    match &options.command {
        Command::List => {
            let command = async |client: AdminClient| client.get("/v1/tenants").await;
            options.remote.run(command, |answer| {
                let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
                let rows: Vec<_> = items.iter().map(row).collect();
                table(&["TENANT", "RELEASE", "CANARY", "STATE", "HOSTS"], &rows);
            })
        }
        Command::Show { name } => {
            let path = format!("/v1/tenants/{name}");
            let command = async |client: AdminClient| client.get(&path).await;
            options.remote.run(command, show)
        }
        Command::Create { name, hosts, settings } => {
            body.insert("name".to_owned(), name.as_str().into());
            body.insert("hosts".to_owned(), json!(hosts));
            settings.put(&[], &mut body);
            let command = async |client: AdminClient| client.post("/v1/tenants", body.into()).await;
            options.remote.run(command, |answer| {
                println!("tenant {} is there; deploy to it next", text(answer, "name"));
            })
        }
        Command::Change { name, hosts, suspend, resume, unset, settings } => {
            if let Some(hosts) = hosts {
                body.insert("hosts".to_owned(), json!(hosts));
            }
            if *suspend || *resume {
                body.insert("suspended".to_owned(), (*suspend).into());
            }
            settings.put(unset, &mut body);
            let path = format!("/v1/tenants/{name}");
            let command = async |client: AdminClient| {
                client.send(Method::PATCH, &path, Some(body.into())).await
            };
            options.remote.run(command, show)
        }
        Command::Remove { name, confirm } => {
            let path = format!("/v1/tenants/{name}?confirm={confirm}");
            let command =
                async |client: AdminClient| client.send(Method::DELETE, &path, None).await;
            options.remote.run(command, |_| println!("tenant {name} is removed"))
        }
    }
}

fn row(tenant: &Value) -> Vec<String> {
    let canary = tenant.get("canary").filter(|canary| !canary.is_null());
    let canary = canary.map(|canary| {
        let percent = canary.get("percent").and_then(Value::as_u64).unwrap_or_default();
        format!("{} {percent}%", short(text(canary, "release")))
    });
    let suspended = tenant.get("suspended").and_then(Value::as_bool).unwrap_or_default();
    let state = match (suspended, text(tenant, "release")) {
        (true, _) => "suspended",
        (false, "") => "no release",
        (false, _) => "served",
    };
    vec![
        text(tenant, "name").to_owned(),
        short(text(tenant, "release")).to_owned(),
        canary.unwrap_or_default(),
        state.to_owned(),
        texts(tenant, "hosts").collect::<Vec<_>>().join(" "),
    ]
}

fn show(tenant: &Value) {
    for (title, value) in ["tenant", "release", "canary", "state", "hosts"].iter().zip(row(tenant))
    {
        println!("{title:<11}{value}");
    }
    let variables = tenant.get("variables").and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        println!("{:<11}{name} = {}", "variable", value.as_str().unwrap_or_default());
    }
    let budgets = tenant.get("budgets").and_then(Value::as_object);
    for (name, number) in budgets.into_iter().flatten().filter(|(_, number)| !number.is_null()) {
        println!("{:<11}{name} = {number}", "budget");
    }
    for name in texts(tenant, "secrets") {
        println!("{:<11}{name}", "secret");
    }
    for key in texts(tenant, "signers") {
        println!("{:<11}{key}", "signer");
    }
}
