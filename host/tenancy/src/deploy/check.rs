//! What a tenant's release may not have, whatever its manifest grants itself.

use std::net::IpAddr;

use pingtalk_manifest::{HostPattern, Manifest};

use super::DeployError;
use crate::control::TenantRecord;

/// Refuses grants that only the operator can give.
pub(super) fn allowed(record: &TenantRecord, manifest: &Manifest) -> Result<(), DeployError> {
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
    fn addresses_need_the_operators_word() {
        let mut record = TenantRecord { name: "shop".to_owned(), ..TenantRecord::default() };
        for private in [
            "http://127.0.0.1:6379",
            "http://localhost:1",
            "https://[::1]",
            "http://169.254.169.254",
        ] {
            assert!(allowed(&record, &manifest(private)).is_err(), "{private}");
        }
        assert!(allowed(&record, &manifest("https://api.example.com")).is_ok());
        record.private_outbound = true;
        assert!(allowed(&record, &manifest("http://127.0.0.1:6379")).is_ok());
    }
}
