//! The admin API's listener and its tokens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use pingtalk_admin::{Scope, Token};
use serde::{Deserialize, de};

use super::{Config, Secret, generated};

/// How far above the gateway's port the admin API listens unless told otherwise.
const PORT_DISTANCE: u16 = 900;
/// The file with the token of a host that names none.
const TOKEN_FILE: &str = "admin_token";

/// Where the admin API listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminListen {
    /// Nowhere.
    Off,
    /// Here.
    On(SocketAddr),
}

impl<'de> Deserialize<'de> for AdminListen {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = AdminListen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as 127.0.0.1:3900, or off")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<AdminListen, E> {
                match text {
                    "off" => Ok(AdminListen::Off),
                    text => text
                        .parse()
                        .map(AdminListen::On)
                        .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A token of the admin API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminToken {
    /// Whose, for the audit log.
    name: String,
    /// `read`, `deploy` or `admin`.
    scope: String,
    /// The token itself.
    secret: Option<Secret>,
    /// A file that holds it.
    secret_file: Option<PathBuf>,
}

impl AdminToken {
    fn token(&self) -> Result<Token> {
        let Some(scope) = Scope::from_name(&self.scope) else {
            bail!("`scope` is one of read, deploy and admin, but is `{}`", self.scope);
        };
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), None) => secret.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("{} can't be read", file.display()))?;
                Secret::new(text.trim().to_owned())
            }
            _ => bail!("set one of `secret` and `secret_file`"),
        };
        Ok(Token::new(&self.name, scope, secret.expose())?)
    }
}

impl Config {
    /// Where the admin API listens, if it does.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        match self.admin_listen {
            Some(AdminListen::Off) => None,
            Some(AdminListen::On(address)) => Some(address),
            None => {
                // A free port beside a free port.
                let port = match self.listen.port() {
                    0 => 0,
                    port => port.checked_add(PORT_DISTANCE).unwrap_or(0),
                };
                Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
            }
        }
    }

    /// Whether the admin API is served over TLS: to other machines, if there is a certificate.
    pub(crate) fn admin_is_tls(&self, address: SocketAddr) -> bool {
        self.tls_certificate.is_some() && !address.ip().is_loopback()
    }

    /// Who may use the admin API. Where nobody is named, a token is made on the first start.
    pub(crate) fn admin_tokens(&self) -> Result<Vec<Token>> {
        if self.admin_tokens.is_empty() {
            let secret = generated(&self.data.join("secrets"), TOKEN_FILE)?;
            return Ok(vec![Token::new("local", Scope::Admin, secret.expose())?]);
        }
        let named = |token: &AdminToken| {
            token.token().with_context(|| format!("the admin token `{}`", token.name))
        };
        self.admin_tokens.iter().map(named).collect()
    }

    /// The file with the token of a host that names none; none where tokens are named.
    pub(crate) fn admin_token_file(&self) -> Option<PathBuf> {
        let generated = |data: &Path| data.join("secrets").join(TOKEN_FILE);
        self.admin_tokens.is_empty().then(|| generated(&self.data))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_listener_is_beside_the_gateways() {
        let address = |text: &str| config(text).unwrap().admin_address().map(|it| it.to_string());
        assert_eq!(address("").as_deref(), Some("127.0.0.1:3900"));
        assert_eq!(address("listen = '0.0.0.0:80'").as_deref(), Some("127.0.0.1:980"));
        assert_eq!(address("listen = '127.0.0.1:0'").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(address("admin_listen = '10.0.0.1:9'").as_deref(), Some("10.0.0.1:9"));
        assert_eq!(address("admin_listen = 'off'"), None);
        let error = config("admin_listen = 'on'").unwrap_err().to_string();
        assert!(error.contains("an address such as 127.0.0.1:3900, or off"), "{error}");
    }

    #[test]
    fn tokens_are_named_or_generated() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = config("").unwrap();
        own.data = folder.path().to_owned();
        assert_eq!(own.admin_tokens().unwrap().len(), 1);
        assert!(own.admin_token_file().unwrap().exists());

        let file = folder.path().join("token");
        std::fs::write(&file, format!("{}\n", "x".repeat(40))).unwrap();
        let named = |rest: &str| {
            let text = format!("[[admin_tokens]]\nname = 'ci'\n{rest}");
            let problem = |error: anyhow::Error| format!("{error:#}");
            config(&text).unwrap().admin_tokens().map(|tokens| tokens.len()).map_err(problem)
        };
        assert_eq!(named(&format!("scope = 'deploy'\nsecret_file = {file:?}")), Ok(1));
        for (rest, problem) in [
            ("scope = 'root'\nsecret = 's'", "one of read, deploy and admin, but is `root`"),
            ("scope = 'read'", "set one of `secret` and `secret_file`"),
            ("scope = 'read'\nsecret = 'short'", "too short"),
            ("scope = 'read'\nsecret_file = '/nowhere'", "/nowhere can't be read"),
        ] {
            let message = named(rest).unwrap_err();
            assert!(message.contains(problem) && message.contains("`ci`"), "{message}");
        }
    }
}
