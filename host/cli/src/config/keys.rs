//! The names of the keys, for messages that say which one was meant.

use anyhow::{Result, bail};

/// Every key of `pingtalk.toml`. Each is also an environment variable: `PINGTALK_` and the key in
/// capitals.
pub(super) const KEYS: [&str; 35] = [
    "listen",
    "admin_listen",
    "admin_tokens",
    "tls_certificate",
    "tls_key",
    "data",
    "compile_cache",
    "compile_time",
    "public_url",
    "threads",
    "origins",
    "trusted_proxies",
    "log",
    "log_format",
    "drain",
    "otlp_endpoint",
    "otlp_headers",
    "trace_share",
    "mongodb",
    "mongodb_databases",
    "redis",
    "rabbitmq",
    "rabbitmq_plain_queues",
    "s3_bucket",
    "s3_prefix",
    "s3_region",
    "s3_endpoint",
    "s3_access_key",
    "s3_secret_key",
    "s3_public_url",
    "cloudinary",
    "tenant_budgets",
    "component_maximum",
    "control_key",
    "variables",
];

/// Keys that hold a table, which the environment can't.
pub(super) const TABLES: [&str; 6] = [
    "admin_tokens",
    "component_maximum",
    "mongodb_databases",
    "otlp_headers",
    "tenant_budgets",
    "variables",
];

/// Keys that hold a list; in the environment its elements are separated by commas.
pub(super) const LISTS: [&str; 2] = ["origins", "trusted_proxies"];

/// Keys that are true or false.
pub(super) const SWITCHES: [&str; 1] = ["rabbitmq_plain_queues"];

/// Keys that hold a number.
pub(super) const NUMBERS: [&str; 3] = ["compile_time", "threads", "drain"];

/// Keys that hold a part of one.
pub(super) const SHARES: [&str; 1] = ["trace_share"];

/// Fails at the first unknown key.
pub(super) fn check(table: &toml::Table) -> Result<()> {
    for key in table.keys() {
        if !KEYS.contains(&key.as_str()) {
            bail!("unknown key `{key}`{}", nearest(key));
        }
    }
    Ok(())
}

/// The most similar key, as the end of a message.
fn nearest(key: &str) -> String {
    let similarity = |known: &str| strsim::jaro_winkler(key, known);
    let best = KEYS.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best {
        Some(best) if similarity(best) > 0.7 => format!(": did you mean `{best}`?"),
        _ => format!(": the keys are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_told_its_neighbour() {
        let table: toml::Table = toml::toml! { lisen = "127.0.0.1:1" };
        assert_eq!(
            check(&table).map_err(|error| error.to_string()),
            Err("unknown key `lisen`: did you mean `listen`?".to_owned())
        );
        let table: toml::Table = toml::toml! { zzz = 1 };
        let message = check(&table).map_err(|error| error.to_string());
        assert!(
            message.is_err_and(|text| text.starts_with("unknown key `zzz`: the keys are listen,"))
        );
    }
}
