//! What a tenant's release may not have, whatever its manifest grants itself.

use std::net::IpAddr;

use pingtalk_manifest::{HostPattern, Manifest};

use super::DeployError;
use crate::{control::TenantRecord, maximum::ComponentMaximum};

/// Refuses what only the operator can give: more than there is for a component, and ways to
/// addresses of the host's own network.
pub(super) fn allowed(
    record: &TenantRecord,
    maximum: Option<&ComponentMaximum>,
    manifest: &Manifest,
) -> Result<(), DeployError> {
    for (name, component) in &manifest.components {
        if let Some(problem) = maximum.and_then(|most| most.exceeded(&component.host.budgets)) {
            return Err(DeployError::NotAllowed(format!(
                "component `{name}`: {problem} (the operator's component_maximum)"
            )));
        }
    }
    if record.private_outbound {
        return Ok(());
    }
    for (name, component) in &manifest.components {
        for outbound in &component.allowed_outbound_hosts {
            let HostPattern::Exact(host) = &outbound.host else { continue };
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            // The host refuses names that resolve to such addresses by itself.
            if bare.parse::<IpAddr>().is_ok() || bare == "localhost" || bare.ends_with(".localhost")
            {
                return Err(DeployError::NotAllowed(format!(
                    "component `{name}` asks to send to {outbound}, an address: the operator must \
                     allow that for the tenant `{}` (private_outbound)",
                    record.name
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn manifest(outbound: &str) -> Manifest {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\nversion = \"1.0.0\"\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"c\"\n\
             [component.c]\nsource = \"c.wasm\"\nallowed_outbound_hosts = [\"{outbound}\"]\n"
        );
        Manifest::parse("spin.toml", &text).unwrap()
    }

    #[test]
    fn budgets_stay_within_the_operators() {
        let record = TenantRecord::default();
        let mut manifest = manifest("https://api.example.com");
        let maximum = ComponentMaximum { concurrency: 5, ..ComponentMaximum::default() };
        assert!(allowed(&record, Some(&maximum), &manifest).is_ok());
        if let Some(component) = manifest.components.get_mut("c") {
            component.host.budgets.concurrency = Some(6);
        }
        let error = allowed(&record, Some(&maximum), &manifest).unwrap_err().to_string();
        assert!(error.contains("component `c`: its budget `concurrency` asks for 6"), "{error}");
        assert!(allowed(&record, None, &manifest).is_ok());
    }

    #[test]
    fn addresses_need_the_operators_word() {
        let mut record = TenantRecord { name: "shop".to_owned(), ..TenantRecord::default() };
        for private in [
            "http://127.0.0.1:6379",
            "http://localhost:1",
            "https://[::1]",
            "http://169.254.169.254",
        ] {
            assert!(allowed(&record, None, &manifest(private)).is_err(), "{private}");
        }
        assert!(allowed(&record, None, &manifest("https://api.example.com")).is_ok());
        record.private_outbound = true;
        assert!(allowed(&record, None, &manifest("http://127.0.0.1:6379")).is_ok());
    }
}
