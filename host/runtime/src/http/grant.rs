//! Which origins a component may send requests to.
//!
//! A grant is an origin: `https://api.example.com`, `http://10.0.0.7:8080`. As in Spin's
//! `allowed_outbound_hosts`, `*` may stand for the scheme, for the whole host, for the host's
//! first labels (`*.example.com`, which does not include `example.com`) or for the port. A port
//! that is left out is the scheme's own. An address that is not public must be named by its grant
//! (`localhost` names the loopback addresses); a pattern never covers it.

use std::net::IpAddr;

use http::Uri;

/// A grant that can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("`{grant}` is not an origin such as `https://api.example.com`: {reason}")]
pub(crate) struct InvalidGrant {
    grant: String,
    reason: &'static str,
}

/// A component's grants.
pub(super) struct Grants(Vec<Grant>);

struct Grant {
    /// None: both.
    scheme: Option<Scheme>,
    host: Host,
    port: Port,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

enum Host {
    Any,
    /// With the leading dot, in lower case.
    Below(String),
    Exactly(String),
}

enum Port {
    Any,
    Own,
    Exactly(u16),
}

/// Where a granted request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The grant names this very host, and not by a pattern.
    named: bool,
}

impl Target {
    /// True when the grant itself names the address, which then needs not be public.
    pub(super) fn names(&self, address: IpAddr) -> bool {
        let itself = self.host.parse() == Ok(address);
        // Always the machine itself (RFC 6761 section 6.3).
        let localhost = self.host == "localhost" && address.is_loopback();
        self.named && (itself || localhost)
    }
}

impl Scheme {
    fn own_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Grants {
    pub(super) fn new(hosts: &[String]) -> Result<Self, InvalidGrant> {
        let parse = |grant: &String| {
            Grant::parse(grant).map_err(|reason| InvalidGrant { grant: grant.clone(), reason })
        };
        Ok(Self(hosts.iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Where to connect for a URI; none when no grant covers it.
    pub(super) fn check(&self, uri: &Uri) -> Option<Target> {
        let scheme = match uri.scheme_str()? {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let authority = uri.authority()?;
        // Credentials in a URI would go to whoever is behind the name.
        if authority.as_str().contains('@') {
            return None;
        }
        // A trailing dot makes a name absolute and means the same host.
        let host = authority.host().trim_matches(['[', ']']).trim_end_matches('.');
        let host = host.to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(scheme.own_port());
        let mut covering =
            self.0.iter().filter(|grant| grant.covers(scheme, &host, port)).peekable();
        covering.peek()?;
        let named = covering.any(|grant| matches!(grant.host, Host::Exactly(_)));
        Some(Target { tls: scheme == Scheme::Https, host, port, named })
    }
}

impl Grant {
    fn parse(grant: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = grant.split_once("://").ok_or("the scheme is missing")?;
        let scheme = match scheme {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            "*" => None,
            _ => return Err("the scheme must be http or https"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err("only a host and a port may follow the scheme");
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an address in brackets are its own.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None => Port::Own,
            Some("*") => Port::Any,
            Some(port) => Port::Exactly(port.parse().map_err(|_| "the port must be a number")?),
        };
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let host = match host.strip_prefix('*') {
            Some("") => Host::Any,
            Some(below) if below.starts_with('.') && !below.contains('*') => {
                Host::Below(below.to_owned())
            }
            Some(_) => return Err("a `*` must stand for whole labels at the front"),
            None if host.is_empty() || host.contains('*') => return Err("the host is missing"),
            None => Host::Exactly(host),
        };
        Ok(Self { scheme, host, port })
    }

    fn covers(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let host_fits = match &self.host {
            Host::Any => true,
            Host::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Host::Exactly(name) => name == host,
        };
        let port_fits = match self.port {
            Port::Any => true,
            Port::Own => port == scheme.own_port(),
            Port::Exactly(number) => number == port,
        };
        host_fits && port_fits && self.scheme.is_none_or(|granted| granted == scheme)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::Grants;

    fn allows(grant: &str, uri: &str) -> bool {
        Grants::new(&[grant.to_owned()]).unwrap().check(&uri.parse().unwrap()).is_some()
    }

    #[test]
    fn an_origin_covers_itself_only() {
        assert!(allows("https://a.example", "https://a.example/x?y"));
        assert!(allows("https://A.example/", "https://a.EXAMPLE:443/"));
        assert!(allows("https://a.example", "https://a.example./"));
        assert!(!allows("https://a.example", "http://a.example/"));
        assert!(!allows("https://a.example", "https://a.example:8443/"));
        assert!(!allows("https://a.example", "https://b.a.example/"));
        assert!(!allows("https://a.example", "https://a.example.evil/"));
        assert!(!allows("https://a.example", "https://a.example@evil/"));
        assert!(!allows("https://a.example", "https://user:pass@a.example/"));
        assert!(allows("http://10.0.0.7:8080", "http://10.0.0.7:8080/"));
        assert!(allows("http://[::1]:80", "http://[::1]/"));
    }

    #[test]
    fn a_star_covers_what_it_stands_for() {
        assert!(allows("https://*.example", "https://a.b.example/"));
        assert!(!allows("https://*.example", "https://example/"));
        assert!(!allows("https://*.example", "https://badexample/"));
        assert!(allows("*://*:*", "http://anything:99/"));
        assert!(allows("https://*", "https://anything/"));
        assert!(!allows("https://*", "https://anything:99/"));
    }

    #[test]
    fn only_a_name_grants_what_is_not_public() {
        let names = |grant: &str, uri: &str, address: &str| {
            let grants = Grants::new(&[grant.to_owned()]).unwrap();
            grants.check(&uri.parse().unwrap()).unwrap().names(address.parse().unwrap())
        };
        assert!(names("http://10.0.0.7", "http://10.0.0.7/", "10.0.0.7"));
        assert!(names("http://localhost", "http://localhost/", "127.0.0.1"));
        assert!(!names("http://localhost", "http://localhost/", "10.0.0.7"));
        assert!(!names("http://*", "http://10.0.0.7/", "10.0.0.7"));
        assert!(!names("http://a.example", "http://a.example/", "10.0.0.7"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for grant in [
            "a.example",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a*",
            "https://a:x",
            "https://a.*",
        ] {
            assert!(Grants::new(&[grant.to_owned()]).is_err(), "{grant}");
        }
    }
}
