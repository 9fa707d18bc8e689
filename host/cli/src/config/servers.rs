//! The servers that the original's variables name, as values of our own keys.

use anyhow::{Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Config, Secret};

/// The original's variable for each service's database, and the manifest's name for that.
const DATABASES: [(&str, &str); 4] = [
    ("MONGO_AUTH_URI", "authDB"),
    ("MONGO_PROFILE_URI", "profileDB"),
    ("MONGO_REQUEST_URI", "requestDB"),
    ("MONGO_CHAT_URI", "chatDB"),
];

const CLOUDINARY: [&str; 3] =
    ["CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"];

/// Fills the keys that are not set. `value` gives a variable unless it is empty.
pub(super) fn take_over<'a>(
    config: &mut Config,
    value: impl Fn(&str) -> Option<&'a String>,
) -> Result<()> {
    let secret = |name: &str| value(name).map(|value| Secret::new(value.clone()));
    for (variable, database) in DATABASES {
        if let Some(uri) = secret(variable) {
            config.mongodb_databases.entry(database.to_owned()).or_insert(uri);
        }
    }
    config.mongodb = config.mongodb.take().or_else(|| secret("MONGO_URI"));
    config.rabbitmq = config.rabbitmq.take().or_else(|| secret("RABBITMQ_URL"));
    if config.redis.is_none() {
        config.redis = redis(&value)?;
    }
    if config.cloudinary.is_none() {
        config.cloudinary = cloudinary(&value)?;
    }
    Ok(())
}

/// A URL of host, port and password.
fn redis<'a>(value: &impl Fn(&str) -> Option<&'a String>) -> Result<Option<Secret>> {
    let Some(host) = value("REDIS_HOST") else {
        if value("REDIS_PASSWORD").is_some() {
            bail!("REDIS_PASSWORD is set, but REDIS_HOST is not");
        }
        return Ok(None);
    };
    let port: u16 = match value("REDIS_PORT").map(|port| (port, port.parse())) {
        None => 6379,
        Some((_, Ok(port))) => port,
        Some((port, Err(_))) => bail!(
            "REDIS_PORT must be a port, but is `{port}` (Kubernetes sets it so for a service named \
             redis: set it yourself, 6379 as a rule)"
        ),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let password = value("REDIS_PASSWORD")
        .map(|password| format!(":{}@", utf8_percent_encode(password, NON_ALPHANUMERIC)));
    Ok(Some(Secret::new(format!("redis://{}{host}:{port}/", password.unwrap_or_default()))))
}

/// A URL of cloud name, key and secret.
fn cloudinary<'a>(value: &impl Fn(&str) -> Option<&'a String>) -> Result<Option<Secret>> {
    let [cloud, key, secret] = CLOUDINARY.map(value);
    if let (Some(cloud), Some(key), Some(secret)) = (cloud, key, secret) {
        let secret = utf8_percent_encode(secret, NON_ALPHANUMERIC);
        return Ok(Some(Secret::new(format!("cloudinary://{key}:{secret}@{cloud}"))));
    }
    let set = CLOUDINARY.iter().find(|name| value(name).is_some());
    let missing = CLOUDINARY.iter().find(|name| value(name).is_none());
    if let (Some(set), Some(missing)) = (set, missing) {
        let [cloud, key, secret] = CLOUDINARY;
        bail!("{set} is set, but {missing} is not: Cloudinary needs {cloud}, {key} and {secret}");
    }
    Ok(None)
}

/// A URL for people to read: without user, password and query, where secrets may stand.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(not a URL)".to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // Passwords that should have been encoded may hold an `@` or a `/` of their own.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{}", rest.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_holds_no_secret() {
        for (url, shown) in [
            ("mongodb://user:pw@a:1,b:2/db?authSource=x", "mongodb://a:1,b:2/db"),
            ("redis://:p%40w@[::1]:6379/", "redis://[::1]:6379"),
            ("amqp://u:p@ss/w@host/%2f", "amqp://host/%2f"),
            ("amqp://host", "amqp://host"),
            ("secret", "(not a URL)"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
