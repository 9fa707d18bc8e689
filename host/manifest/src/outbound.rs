//! `allowed_outbound_hosts`: where a component may send requests, in Spin's notation
//! `SCHEME://HOST:PORT`.
//!
//! Addresses that are not public are refused by the host even when a pattern covers their name.

use std::fmt;

use crate::reader::Node;

/// The host part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Any public host.
    Any,
    /// Any host below this domain.
    Below(String),
    /// This host.
    Exact(String),
}

/// The port part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPattern {
    /// Any port.
    Any,
    /// This port.
    Exact(u16),
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundHost {
    /// `http` or `https`.
    pub scheme: String,
    /// Which hosts.
    pub host: HostPattern,
    /// Which ports; when left out, the scheme's own.
    pub port: PortPattern,
}

impl fmt::Display for OutboundHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Below(domain) => write!(f, "*.{domain}")?,
            HostPattern::Exact(host) => f.write_str(host)?,
        }
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Exact(port) => write!(f, ":{port}"),
        }
    }
}

impl OutboundHost {
    /// True for the names by which Spin lets components of an application call each other.
    pub(crate) fn is_spins_own(&self) -> bool {
        match &self.host {
            HostPattern::Any => false,
            HostPattern::Below(name) | HostPattern::Exact(name) => {
                name == "spin.internal" || name.ends_with(".spin.internal")
            }
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err("has a scheme that components can't use here"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err("holds more than scheme, host and port");
        }
        // An IPv6 address has colons of its own, inside brackets.
        let after_bracket = rest.rfind(']').map_or(0, |at| at + 1);
        let colon = rest.get(after_bracket..).and_then(|tail| tail.find(':'));
        let (host, port) = match colon {
            Some(at) => rest.split_at(after_bracket + at),
            None => (rest, ""),
        };
        let port = match port.strip_prefix(':') {
            None => PortPattern::Exact(default_port),
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exact(port.parse().map_err(|_| "has no valid port")?),
        };
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => HostPattern::Any,
            Some(domain) if is_host(domain) => HostPattern::Below(domain.to_owned()),
            None if is_host(&host) => HostPattern::Exact(host),
            _ => return Err("has no valid host"),
        };
        Ok(Self { scheme: scheme.to_owned(), host, port })
    }
}

fn is_host(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Reads a component's `allowed_outbound_hosts`.
pub(crate) fn read_outbound(node: &Node<'_>) -> Vec<OutboundHost> {
    let mut hosts = Vec::new();
    for node in node.list() {
        let Some(text) = node.text() else { continue };
        match OutboundHost::parse(text) {
            Ok(host) => hosts.push(host),
            Err(problem) => node.error(
                format!("`{text}` {problem}"),
                "write \"https://host:port\"; host may be * or *.domain, port may be *",
            ),
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{HostPattern, OutboundHost, PortPattern};

    #[test]
    fn reads_patterns() {
        for (text, shown) in [
            ("https://*:443", "https://*:443"),
            ("http://*", "http://*:80"),
            ("https://API.example.com/", "https://api.example.com:443"),
            ("http://*.example.com:*", "http://*.example.com:*"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(OutboundHost::parse(text).unwrap().to_string(), shown);
        }
        let host = OutboundHost::parse("http://*.example.com:81").unwrap();
        assert_eq!(host.host, HostPattern::Below("example.com".to_owned()));
        assert_eq!(host.port, PortPattern::Exact(81));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "example.com",
            "redis://cache:6379",
            "https://",
            "https://a b",
            "https://*a.com",
            "https://a:99999",
            "https://a/path",
            "https://user@a",
            "http://[::1",
        ] {
            assert!(OutboundHost::parse(text).is_err(), "{text}");
        }
    }
}
