//! The only module that reads environment variables: our own (`PINGTALK_LISTEN`, …,
//! `PINGTALK_VARIABLE_NAME` for a manifest variable) and those of the original PingTalk.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::{
    Config, Secret,
    keys::{KEYS, LISTS, NUMBERS, SHARES, SWITCHES, TABLES},
    servers,
};

/// Variables by name.
pub(super) type Environment = BTreeMap<String, String>;

const PREFIX: &str = "PINGTALK_";
const VARIABLE_PREFIX: &str = "PINGTALK_VARIABLE_";

/// The process's environment, without what is not UTF-8.
pub(super) fn process() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Puts `PINGTALK_…` variables over the file's keys.
pub(super) fn overlay(table: &mut toml::Table, environment: &Environment) -> Result<()> {
    for key in KEYS {
        let name = format!("{PREFIX}{}", key.to_ascii_uppercase());
        let Some(text) = environment.get(&name) else { continue };
        let value = if LISTS.contains(&key) {
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .into()
        } else if NUMBERS.contains(&key) {
            let number = text.parse::<i64>();
            toml::Value::Integer(
                number.with_context(|| format!("{name} must be a number, but is `{text}`"))?,
            )
        } else if SHARES.contains(&key) {
            let share = text.parse::<f64>();
            share.with_context(|| format!("{name} must be a number, but is `{text}`"))?.into()
        } else if SWITCHES.contains(&key) {
            let on = text.parse::<bool>();
            on.with_context(|| format!("{name} must be true or false, but is `{text}`"))?.into()
        } else if key == "variables" {
            bail!("set one variable at a time, as {VARIABLE_PREFIX}NAME");
        } else if TABLES.contains(&key) {
            bail!("{name} can't hold a table: set `{key}` in pingtalk.toml");
        } else {
            toml::Value::String(text.clone())
        };
        table.insert(key.to_owned(), value);
    }
    let variables = table.entry("variables").or_insert_with(|| toml::Table::new().into());
    let Some(variables) = variables.as_table_mut() else { bail!("`variables` must be a table") };
    for (name, value) in environment {
        if let Some(variable) = name.strip_prefix(VARIABLE_PREFIX) {
            variables.insert(variable.to_ascii_lowercase(), value.clone().into());
        }
    }
    Ok(())
}

/// Takes over where OpenTelemetry's own variable says that the collector is.
pub(super) fn collector(config: &mut Config, environment: &Environment) {
    let endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT").filter(|url| !url.is_empty());
    if config.otlp_endpoint.is_none() {
        config.otlp_endpoint = endpoint.cloned();
    }
}

/// Takes over what the original's variables say; a key of our own that is set wins over them.
pub(super) fn original(config: &mut Config, environment: &Environment) -> Result<()> {
    let value = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(secret) = value("JWT_SECRET") {
        config
            .variables
            .entry("jwt_secret".to_owned())
            .or_insert_with(|| Secret::new(secret.clone()));
    }
    for (name, value) in environment {
        if name.ends_with("_SERVICE_PORT") && !value.is_empty() {
            // Kubernetes sets variables of this form too (`tcp://…` in *_PORT): only a manifest's
            // own names are looked up later.
            if let Ok(port) = value.parse() {
                config.direct_ports.insert(name.clone(), port);
            }
        }
    }
    servers::take_over(config, value)
}

/// What the environment says of the host that commands go to.
pub(crate) struct AdminEnvironment {
    /// `PINGTALK_ADMIN_URL`
    pub(crate) url: Option<String>,
    /// `PINGTALK_ADMIN_TOKEN`
    pub(crate) token: Option<Secret>,
}

/// Where commands go, and with which token.
pub(crate) fn admin() -> AdminEnvironment {
    let mut set = process();
    AdminEnvironment {
        url: set.remove("PINGTALK_ADMIN_URL").filter(|url| !url.is_empty()),
        token: set
            .remove("PINGTALK_ADMIN_TOKEN")
            .filter(|token| !token.is_empty())
            .map(Secret::new),
    }
}

/// User and password of an OCI registry.
pub(crate) fn registry() -> Option<(String, Secret)> {
    let mut set = process();
    let user = set.remove("PINGTALK_REGISTRY_USER")?;
    Some((user, Secret::new(set.remove("PINGTALK_REGISTRY_PASSWORD").unwrap_or_default())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_overrule_the_file() {
        let mut table = toml::toml! {
            listen = "127.0.0.1:1"
            drain = 3
        };
        let set = [
            ("PINGTALK_LISTEN", "127.0.0.1:2"),
            ("PINGTALK_ORIGINS", "http://a, http://b"),
            ("PINGTALK_VARIABLE_JWT_SECRET", "s"),
        ];
        overlay(&mut table, &environment(&set)).unwrap();
        let config: Config = table.try_into().unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.drain, 3);
        assert_eq!(config.origins.unwrap(), ["http://a", "http://b"]);
        assert_eq!(config.variables.get("jwt_secret").unwrap().expose(), "s");
    }

    #[test]
    fn a_wrong_number_names_the_variable() {
        let error = overlay(&mut toml::Table::new(), &environment(&[("PINGTALK_DRAIN", "soon")]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "PINGTALK_DRAIN must be a number, but is `soon`"
        );
    }

    #[test]
    fn the_originals_secret_and_ports_are_taken_over() {
        let mut config = Config::default();
        let set =
            [("JWT_SECRET", "s"), ("AUTH_SERVICE_PORT", "5000"), ("X_SERVICE_PORT", "tcp://1:2")];
        original(&mut config, &environment(&set)).unwrap();
        assert_eq!(config.variables.get("jwt_secret").unwrap().expose(), "s");
        assert_eq!(config.direct_ports.get("AUTH_SERVICE_PORT"), Some(&5000));
        assert_eq!(config.direct_ports.len(), 1);
    }

    #[test]
    fn the_originals_servers_are_taken_over() {
        let mut config = Config::default();
        let set = [
            ("MONGO_URI", "mongodb://m/"),
            ("MONGO_CHAT_URI", "mongodb://c/chats"),
            ("RABBITMQ_URL", "amqp://q"),
            ("REDIS_HOST", "::1"),
            ("REDIS_PORT", "6380"),
            ("REDIS_PASSWORD", "p@ss/word"),
            ("CLOUDINARY_CLOUD_NAME", "demo"),
            ("CLOUDINARY_API_KEY", "1"),
            ("CLOUDINARY_API_SECRET", "s"),
        ];
        original(&mut config, &environment(&set)).unwrap();
        let shown = |secret: &Option<Secret>| secret.as_ref().unwrap().expose().to_owned();
        assert_eq!(shown(&config.mongodb), "mongodb://m/");
        assert_eq!(config.mongodb_databases.get("chatDB").unwrap().expose(), "mongodb://c/chats");
        assert_eq!(shown(&config.rabbitmq), "amqp://q");
        assert_eq!(shown(&config.redis), "redis://:p%40ss%2Fword@[::1]:6380/");
        assert_eq!(shown(&config.cloudinary), "cloudinary://1:s@demo");
        // What is set under our own names stays.
        original(&mut config, &environment(&[("RABBITMQ_URL", "amqp://other")])).unwrap();
        assert_eq!(shown(&config.rabbitmq), "amqp://q");
    }

    #[test]
    fn half_a_server_is_told_what_is_missing() {
        let error = |set: &[(&str, &str)]| {
            original(&mut Config::default(), &environment(set)).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[("CLOUDINARY_API_KEY", "1")]),
            "CLOUDINARY_API_KEY is set, but CLOUDINARY_CLOUD_NAME is not: Cloudinary needs \
             CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET"
        );
        assert_eq!(
            error(&[("REDIS_PASSWORD", "p")]),
            "REDIS_PASSWORD is set, but REDIS_HOST is not"
        );
        assert_eq!(
            error(&[("REDIS_HOST", "r"), ("REDIS_PORT", "tcp://10.0.0.1:6379")]),
            "REDIS_PORT must be a port, but is `tcp://10.0.0.1:6379` (Kubernetes sets it so for a \
             service named redis: set it yourself, 6379 as a rule)"
        );
    }
}
