//! Where Redis is, who we are there, and how long we wait for it.

use std::{fmt, str::FromStr, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// Redis's usual port.
const PORT: u16 = 6379;

/// Settings of [`crate::Redis`]. Debug and Display show no password.
#[derive(Clone)]
pub struct Config {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) login: RedisConnectionInfo,
    /// Whom TLS trusts; empty: the public authorities.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    /// Longest that a command may take, its wait for a place or a connection included.
    pub command_timeout: Duration,
    /// Longest that connecting may take: name, TCP, TLS, log-in.
    pub connect_timeout: Duration,
    /// Commands under way at once; more of them wait, within their time-out.
    pub max_in_flight: usize,
    /// First and longest pause between attempts to connect.
    pub pauses: (Duration, Duration),
    /// How often an otherwise idle connection is tried.
    pub probe_interval: Duration,
}

/// Not the address of a Redis. It doesn't repeat the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the address of a Redis: write redis://[[user]:password@]host[:port][/database], or \
     rediss:// for TLS"
)]
pub struct InvalidAddress;

/// Not a list of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a list of certificates: give them in PEM, as `-----BEGIN CERTIFICATE-----`")]
pub struct InvalidCertificates;

impl Config {
    /// Reads an address such as `redis://:password@host:6379/0`; `rediss://` means TLS.
    ///
    /// # Errors
    /// When it is not one.
    pub fn new(url: &str) -> Result<Self, InvalidAddress> {
        let (tls, rest) = match url.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            _ => return Err(InvalidAddress),
        };
        // TLS is ours to add, so the driver need not know about it.
        let info = ConnectionInfo::from_str(&format!("redis://{rest}"));
        let info = info.map_err(|_| InvalidAddress)?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
            return Err(InvalidAddress);
        };
        Ok(Self { tls, ..Self::at(host, port, info.redis_settings().clone()) })
    }

    /// A host without TLS, as the original PingTalk's `REDIS_HOST`, `REDIS_PORT` and
    /// `REDIS_PASSWORD` name it. No port means 6379; an empty password is none.
    #[must_use]
    pub fn from_parts(host: &str, port: Option<u16>, password: Option<&str>) -> Self {
        let mut login = RedisConnectionInfo::default();
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            login = login.set_password(password);
        }
        Self::at(host.to_owned(), port.unwrap_or(PORT), login)
    }

    /// Has TLS trust these authorities (certificates in PEM) instead of the public ones, for a Redis
    /// with a certificate of one's own.
    ///
    /// # Errors
    /// When there is none, or what is there is no certificate.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, InvalidCertificates> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        self.authorities = read.map_err(|_| InvalidCertificates)?;
        if self.authorities.is_empty() { Err(InvalidCertificates) } else { Ok(self) }
    }

    fn at(host: String, port: u16, login: RedisConnectionInfo) -> Self {
        Self {
            host,
            port,
            tls: false,
            // RESP2 is what every version speaks, and `CLIENT SETINFO` what Redis 5 does not know.
            login: login.set_protocol(redis::ProtocolVersion::RESP2).set_skip_set_lib_name(),
            authorities: Vec::new(),
            command_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(2),
            max_in_flight: 1_024,
            pauses: (Duration::from_millis(50), Duration::from_secs(2)),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// The address, without user and password.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let colons = self.host.contains(':');
        let (open, close) = if colons { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.login.db())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.to_string())
            .field("command_timeout", &self.command_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_addresses() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://:pass@10.0.0.1:7000/3", "redis://10.0.0.1:7000/3"),
            ("rediss://user:p%40ss@cache.example", "rediss://cache.example:6379/0"),
            ("redis://[::1]:7/", "redis://[::1]:7/0"),
        ] {
            assert_eq!(Config::new(url).unwrap().to_string(), shown);
        }
        let with = Config::new("rediss://user:p%40ss@cache.example").unwrap();
        assert_eq!(with.login.username(), Some("user"));
        assert_eq!(with.login.password(), Some("p@ss"));
    }

    #[test]
    fn refuses_what_is_none() {
        for url in ["", "localhost", "http://x", "redis://", "redis+unix:///x", "redis://h/db"] {
            assert_eq!(Config::new(url).unwrap_err(), InvalidAddress, "{url}");
        }
    }

    #[test]
    fn takes_the_originals_variables() {
        let config = Config::from_parts("cache", Some(7), Some("secret"));
        assert_eq!(config.to_string(), "redis://cache:7/0");
        assert_eq!(config.login.password(), Some("secret"));
        let config = Config::from_parts("::1", None, Some(""));
        assert_eq!(config.to_string(), "redis://[::1]:6379/0");
        assert_eq!(config.login.password(), None);
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        let config = || Config::new("rediss://h").unwrap();
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            assert_eq!(config().trusting(pem.as_bytes()).unwrap_err(), InvalidCertificates);
        }
    }

    #[test]
    fn shows_no_password() {
        let config = Config::new("redis://user:secret@h").unwrap();
        assert!(!format!("{config:?} {config}").contains("secret"));
        let error = Config::new("redis://user:secret@h/x").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}
