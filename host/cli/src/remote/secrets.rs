//! `pingtalk secrets`: values that go one way only.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::{Remote, TenantOption, client::AdminClient};

#[derive(Args)]
pub(crate) struct SecretsOptions {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    tenant: TenantOption,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand)]
enum Command {
    /// Set a secret. Its value comes from standard input or a file, never from the command line,
    /// which others on this machine can see
    Set {
        /// The variable of the manifest
        name: String,
        /// Read the value from here
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Remove a secret
    Remove {
        /// The variable of the manifest
        name: String,
    },
}

pub(crate) fn secrets(options: &SecretsOptions) -> Result<()> {
    let (method, name, body, done) = match &options.command {
        Command::Set { name, file } => {
            let body = json!({ "value": read(file.as_deref())? });
            (Method::PUT, name, Some(body), "set")
        }
        Command::Remove { name } => (Method::DELETE, name, None, "removed"),
    };
    let tenant = &options.tenant.tenant;
    let path = format!("/v1/tenants/{tenant}/secrets/{name}");
    let command = async |client: AdminClient| client.send(method, &path, body).await;
    options.remote.run(command, |_| println!("secret {name} of {tenant} is {done}"))
}

/// The value without the line's end.
fn read(file: Option<&std::path::Path>) -> Result<String> {
    let mut value = String::new();
    match file {
        Some(file) => {
            value = std::fs::read_to_string(file)
                .with_context(|| format!("{} can't be read", file.display()))?;
        }
        None => {
            if std::io::stdin().is_terminal() {
                eprintln!("The value, then Ctrl-D:");
            }
            std::io::stdin().read_to_string(&mut value).context("standard input")?;
        }
    }
    let value = value.strip_suffix('\n').unwrap_or(&value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        bail!("the value is empty");
    }
    Ok(value.to_owned())
}
