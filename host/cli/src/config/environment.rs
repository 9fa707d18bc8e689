//! The only module that reads environment variables: our own (`PINGTALK_LISTEN`, …,
//! `PINGTALK_VARIABLE_NAME` for a manifest variable) and those of the original PingTalk.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::{
    Config, Secret,
    keys::{KEYS, LISTS, NUMBERS},
};

/// Variables by name.
pub(super) type Environment = BTreeMap<String, String>;

const PREFIX: &str = "PINGTALK_";
const VARIABLE_PREFIX: &str = "PINGTALK_VARIABLE_";

/// The original's variables that name a backend. They can't be ignored: whoever sets them expects
/// their data there.
const BACKENDS: [(&str, &str); 12] = [
    ("MONGO_URI", "MongoDB"),
    ("MONGO_AUTH_URI", "MongoDB"),
    ("MONGO_PROFILE_URI", "MongoDB"),
    ("MONGO_REQUEST_URI", "MongoDB"),
    ("MONGO_CHAT_URI", "MongoDB"),
    ("RABBITMQ_URL", "RabbitMQ"),
    ("REDIS_HOST", "Redis"),
    ("REDIS_PORT", "Redis"),
    ("REDIS_PASSWORD", "Redis"),
    ("CLOUDINARY_CLOUD_NAME", "Cloudinary"),
    ("CLOUDINARY_API_KEY", "Cloudinary"),
    ("CLOUDINARY_API_SECRET", "Cloudinary"),
];

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
        } else if key == "variables" {
            bail!("set one variable at a time, as {VARIABLE_PREFIX}NAME");
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

/// Takes over what the original's variables say.
pub(super) fn original(config: &mut Config, environment: &Environment) -> Result<()> {
    for (name, backend) in BACKENDS {
        if environment.get(name).is_some_and(|value| !value.is_empty()) {
            bail!(
                "{name} is set, but this build has no {backend} backend: everything is embedded under \
                 the data directory. Unset it to go on."
            );
        }
    }
    if let Some(secret) = environment.get("JWT_SECRET").filter(|value| !value.is_empty()) {
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
    Ok(())
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
    fn the_originals_variables_are_taken_or_refused_but_never_ignored() {
        let mut config = Config::default();
        let set =
            [("JWT_SECRET", "s"), ("AUTH_SERVICE_PORT", "5000"), ("X_SERVICE_PORT", "tcp://1:2")];
        original(&mut config, &environment(&set)).unwrap();
        assert_eq!(config.variables.get("jwt_secret").unwrap().expose(), "s");
        assert_eq!(config.direct_ports.get("AUTH_SERVICE_PORT"), Some(&5000));
        assert_eq!(config.direct_ports.len(), 1);
        let error =
            original(&mut config, &environment(&[("MONGO_URI", "mongodb://x")])).unwrap_err();
        assert!(error.to_string().starts_with("MONGO_URI is set, but this build has no MongoDB"));
    }
}
