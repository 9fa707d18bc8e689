//! `pingtalk deploy` and `pingtalk push`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use pingtalk_tenancy::control::Digest;
use serde_json::{Value, json};

use super::{
    Remote, TenantOption,
    client::AdminClient,
    oci,
    package::Package,
    report::{changes, short, text, texts},
};
use crate::progress::Steps;

#[derive(Args)]
pub(crate) struct DeployOptions {
    /// A folder with a spin.toml, a manifest, a component's file, or an artifact of a registry
    /// (registry.example.org/team/chat:1.2)
    #[arg(value_name = "FILE|DIR|OCI-REFERENCE")]
    source: String,
    #[command(flatten)]
    tenant: TenantOption,
    /// Only this component; the manifest and the others stay as they are
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Serve only a share of the calls, such as 10%, beside the release in force
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    canary: Option<u8>,
    /// Check everything and report, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// A signature (Ed25519, Base64) of a component, or of the manifest as spin.toml; @FILE reads it
    #[arg(long = "signature", value_name = "NAME=SIGNATURE", value_parser = signature)]
    signatures: Vec<(String, String)>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub(crate) struct PushOptions {
    /// Where to, such as registry.example.org/team/chat:1.2
    #[arg(value_name = "OCI-REFERENCE")]
    reference: String,
    /// What: a folder with a spin.toml, a manifest, or a component's file
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    source: PathBuf,
    /// Only this component, without the manifest
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>();
    number
        .ok()
        .filter(|percent| (1..=99).contains(percent))
        .ok_or_else(|| "a share is 1% to 99%".to_owned())
}

fn signature(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or("write it as NAME=SIGNATURE, or NAME=@FILE".to_owned())?;
    let value = match value.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => value.to_owned(),
    };
    Ok((name.to_owned(), value.trim().to_owned()))
}

pub(crate) fn deploy(options: &DeployOptions) -> Result<()> {
    let command = async |client: AdminClient| {
        let package = Package::read(&options.source, options.component.as_deref()).await?;
        let components = upload(&client, &package).await?;
        let deployment = json!({
            "manifest": package.manifest,
            "components": components,
            "signatures": options.signatures.iter().cloned().collect::<BTreeMap<_, _>>(),
            "canary": options.canary,
            "dry_run": options.dry_run,
        });
        let path = format!("/v1/tenants/{}/deployments", options.tenant.tenant);
        client.post(&path, deployment).await
    };
    options.remote.run(command, |report| print(report, options))
}

/// Brings the components to the host that it does not have yet.
async fn upload(client: &AdminClient, package: &Package) -> Result<BTreeMap<String, Digest>> {
    let steps = Steps::new("Uploading", package.components.len());
    let mut digests = BTreeMap::new();
    for (name, bytes) in &package.components {
        steps.at(name);
        let hashed = bytes.clone();
        let digest = tokio::task::spawn_blocking(move || Digest::of(&hashed)).await?;
        let size = bytes.len() / 1024;
        if client.has_artifact(&digest).await? {
            steps.done(&format!("{name:<12} {size:>6} KiB  is there already"));
        } else {
            let put = client.put_artifact(&digest, bytes.clone()).await;
            put.with_context(|| format!("component `{name}` can't be uploaded"))?;
            steps.done(&format!("{name:<12} {size:>6} KiB  uploaded"));
        }
        digests.insert(name.clone(), digest);
    }
    Ok(digests)
}

fn print(report: &Value, options: &DeployOptions) {
    let deployed = report.get("deployed").and_then(Value::as_bool).unwrap_or_default();
    let (tenant, release) = (text(report, "tenant"), short(text(report, "release")));
    let outcome = match (deployed, options.dry_run, options.canary) {
        (true, _, Some(percent)) => format!("serves {percent}% of the calls of {tenant}"),
        (true, _, None) => format!("is in force for {tenant}"),
        (false, true, _) => format!("would be deployed to {tenant}"),
        (false, false, _) => format!("was in force for {tenant} already"),
    };
    let before = match text(report, "before") {
        "" => String::new(),
        before => format!(" (before: {})", short(before)),
    };
    println!("release {release} {outcome}{before}");
    changes(report.get("changes").unwrap_or(&Value::Null));
    for warning in texts(report, "warnings") {
        println!("  warning: {warning}");
    }
}

pub(crate) fn push(options: &PushOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let source = options.source.to_str().context("the path is no text")?;
    if oci::is_reference(source) && !options.source.exists() {
        bail!("push takes a file or a folder, but `{source}` is in a registry");
    }
    let named = runtime.block_on(async {
        let package = Package::read(source, options.component.as_deref()).await?;
        oci::push(&options.reference, package).await
    })?;
    println!("{named}");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!(percent("10%"), Ok(10));
        assert_eq!(percent("99"), Ok(99));
        for wrong in ["0", "100%", "a", "", "-1%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_written_or_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chat.sig");
        std::fs::write(&file, "QUJD\n").unwrap();
        let pair = |value: &str| Ok(("chat".to_owned(), value.to_owned()));
        assert_eq!(signature("chat=QQ=="), pair("QQ=="));
        assert_eq!(signature(&format!("chat=@{}", file.display())), pair("QUJD"));
        assert!(signature("chat").is_err());
        assert!(signature("chat=@/nowhere").unwrap_err().starts_with("/nowhere: "));
    }
}
