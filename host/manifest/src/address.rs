//! The manifest says what an application is, never where things are: addresses belong to the
//! operator.

use std::net::{IpAddr, SocketAddr};

use crate::reader::Node;

/// Reports a value that holds an address.
pub(crate) fn refuse(node: &Node<'_>, text: &str) {
    if holds_address(text) {
        node.error(
            "an address stands in the manifest",
            "declare a variable with `required = true` and let the operator set it",
        );
    }
}

fn holds_address(text: &str) -> bool {
    text.split([',', ' ', ';']).any(|word| {
        let authority = word.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && rest.starts_with(|c: char| c.is_alphanumeric() || c == '[')
        });
        let port = |host: &str| {
            word.strip_prefix(host)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|port| port.parse::<u16>().is_ok())
        };
        authority
            || word.parse::<IpAddr>().is_ok()
            || word.parse::<SocketAddr>().is_ok()
            || port("localhost")
    })
}

#[cfg(test)]
mod tests {
    use super::holds_address;

    #[test]
    fn tells_addresses_from_words() {
        for address in [
            "mongodb://db/auth",
            "redis://127.0.0.1:6379",
            "10.0.0.1",
            "127.0.0.1:5672",
            "localhost:80",
            "a, https://x",
        ] {
            assert!(holds_address(address), "{address}");
        }
        for word in ["", "smtp", "10", "a:b", "{{ mongo_uri }}", "https://{{ host }}", "1:2"] {
            assert!(!holds_address(word), "{word}");
        }
    }
}
