//! E-mail addresses: which ones are taken, and the one form they are stored and looked up in.
//!
//! The rules are those that existing accounts were made under, so that nobody who could sign up
//! before is refused now: dot-atoms or a quoted local part in any script, a domain name with a
//! top-level domain, no address literals. The lengths are RFC 5321's (section 4.5.3.1).

/// Longest address, in bytes: RFC 5321's path of 256 without its angle brackets.
pub(crate) const MAX_BYTES: usize = 254;
/// Longest part before the `@`, in bytes.
const MAX_LOCAL_BYTES: usize = 64;
/// Longest label of a domain name, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// The form an address is stored and compared in, or `None` when it is not an address.
pub(crate) fn normalise(text: &str) -> Option<String> {
    is_address(text).then(|| text.to_lowercase())
}

fn is_address(text: &str) -> bool {
    // The last `@`: a quoted local part may hold others.
    text.len() <= MAX_BYTES
        && text.rsplit_once('@').is_some_and(|(local, domain)| is_local(local) && is_domain(domain))
}

fn is_local(local: &str) -> bool {
    if local.len() > MAX_LOCAL_BYTES {
        return false;
    }
    match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => is_quoted(quoted),
        None => local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom)),
    }
}

/// RFC 5322's `atext`, and the letters of other scripts (RFC 6531).
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_international(c)
}

/// What stands between the quotes: anything printable, with `"` and `\` escaped.
fn is_quoted(quoted: &str) -> bool {
    let mut escaped = false;
    for c in quoted.chars() {
        if c.is_control() || (!escaped && c == '"') {
            return false;
        }
        escaped = !escaped && c == '\\';
    }
    !escaped
}

fn is_domain(domain: &str) -> bool {
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    domain.split('.').all(is_label) && is_top_level(top)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= MAX_LABEL_BYTES
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_international(c))
}

/// Letters only, two or more, or an internationalised name in its ASCII form.
fn is_top_level(top: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphabetic() || is_international(c);
    let ascii_form = top.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("xn"));
    top.chars().count() >= 2 && (ascii_form || top.chars().all(letters))
}

/// Printable characters outside ASCII, without spaces, private ones and the full-width forms that
/// look like ASCII but are not.
fn is_international(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{a8}' | '\u{aa}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ff00}' | '\u{ff5f}'..='\u{ffef}')
        && !c.is_whitespace()
        && !c.is_control()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn takes_the_addresses_people_have() {
        for address in [
            "a@b.co",
            "first.last+tag@sub.example.org",
            "o'brien@example.com",
            "x_y-z@xn--bcher-kva.example",
            "jörg@bücher.example",
            "名前@例え.テスト",
            "\"two words\"@example.com",
            "\"a@b\"@example.com",
            "1@2.example",
        ] {
            assert!(normalise(address).is_some(), "{address}");
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "plain",
            "@example.com",
            "a@",
            "a@b",
            "a@b.c",
            "a@b.12",
            "a b@example.com",
            " a@example.com",
            "a@example.com ",
            "a@example.com\n",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@-example.com",
            "a@example-.com",
            "a@exa_mple.com",
            "a@example..com",
            "a@example.com.",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@b@example.com",
            "\"a\"b\"@example.com",
            "\"a\\\"@example.com",
            "Someone <a@example.com>",
            "a@\u{ff45}xample.com",
            "a\u{0}@example.com",
        ] {
            assert_eq!(normalise(text), None, "{text:?}");
        }
    }

    #[test]
    fn bounds_the_lengths() {
        let local = |n| format!("{}@example.com", "a".repeat(n));
        assert!(normalise(&local(64)).is_some());
        assert!(normalise(&local(65)).is_none());

        let label = "b".repeat(61);
        let longest = format!("{}@{label}.{label}.{label}.co", "a".repeat(64));
        assert_eq!(longest.len(), 253);
        assert!(normalise(&longest).is_some());
        assert!(normalise(&longest.replace(".co", ".info")).is_none());
        assert!(normalise(&format!("a@{}.com", "b".repeat(64))).is_none());
    }

    #[test]
    fn compares_without_case() {
        assert_eq!(normalise("Ann.Lee@Example.COM").unwrap(), "ann.lee@example.com");
        assert_eq!(normalise("JÖRG@Example.com").unwrap(), "jörg@example.com");
    }
}
