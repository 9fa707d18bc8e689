//! Matching and checking paths. They are compared as sent, in any letter case; nothing is
//! normalised, so that what was matched is what the handler sees.

use bytes::Bytes;
use http::{Uri, uri::PathAndQuery};

/// True when no segment of the path is `.` or `..` in any spelling, and no byte is one that
/// servers read in different ways. `%2f`, `%5c` and `\` count as separators here.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'.' | b'%' | b'\\')) {
        return true;
    }
    let mut rest = bytes;
    // What the current segment is made of: dots so far, or something else.
    let (mut dots, mut other) = (0, false);
    while let Some((&first, mut tail)) = rest.split_first() {
        let byte = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return false };
                tail = after;
                high << 4 | low
            }
            (b'%', _) | (b'\\', _) => return false,
            (byte, _) => byte,
        };
        match byte {
            0 => return false,
            b'/' | b'\\' => {
                if dots > 0 && dots <= 2 && !other {
                    return false;
                }
                (dots, other) = (0, false);
            }
            b'.' => dots += 1,
            _ => other = true,
        }
        rest = tail;
    }
    other || dots == 0 || dots > 2
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What follows a prefix: the prefix itself ends at a segment's end.
#[must_use]
pub fn below(path: &str, prefix: &str) -> bool {
    let (path, prefix) = (path.as_bytes(), prefix.as_bytes());
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        && matches!(path.get(prefix.len()), None | Some(b'/'))
}

/// The path itself, with or without a trailing slash.
#[must_use]
pub fn exact(path: &str, wanted: &str) -> bool {
    path.eq_ignore_ascii_case(wanted)
        || (path.len() > 1
            && path.strip_suffix('/').is_some_and(|path| path.eq_ignore_ascii_case(wanted)))
}

/// The target in origin form, without the first `strip` bytes of its path.
#[must_use]
pub fn origin_form(uri: &Uri, strip: usize) -> Option<Uri> {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = target.get(strip..)?;
    let target = if rest.starts_with('/') {
        PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(rest.as_bytes()))
    } else {
        // The prefix alone, perhaps with a query.
        PathAndQuery::try_from(format!("/{rest}"))
    };
    Some(Uri::from(target.ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{below, exact, is_plain, origin_form};

    #[test]
    fn dot_segments_are_found_in_any_spelling() {
        for wrong in [
            "/auth/../chat",
            "/..",
            "/.",
            "/a/./b",
            "/%2e%2e/chat",
            "/auth/%2E./chat",
            "/auth/.%2e",
            "/auth/..%2fchat",
            "/auth/..%5cchat",
            "/auth\\..\\chat",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
        ] {
            assert!(!is_plain(wrong), "{wrong}");
        }
        for right in [
            "/",
            "/auth/login",
            "/a.b",
            "/.well-known/x",
            "/a...",
            "/...",
            "/a%20b",
            "/%C3%A9",
            "//",
        ] {
            assert!(is_plain(right), "{right}");
        }
    }

    #[test]
    fn prefixes_end_at_segments() {
        assert!(below("/auth", "/auth"));
        assert!(below("/AUTH/Login", "/auth"));
        assert!(!below("/authority", "/auth"));
        assert!(!below("/aut", "/auth"));
        assert!(below("/anything", ""));
    }

    #[test]
    fn exact_paths_may_have_a_trailing_slash() {
        assert!(exact("/Socket.IO/", "/socket.io"));
        assert!(exact("/socket.io", "/socket.io"));
        assert!(!exact("/socket.io//", "/socket.io"));
        assert!(!exact("/socket.iox", "/socket.io"));
    }

    #[test]
    fn the_prefix_is_stripped_and_the_query_kept() {
        let strip =
            |uri: &str, length| origin_form(&uri.parse().unwrap(), length).unwrap().to_string();
        assert_eq!(strip("/auth/login?a=b", 5), "/login?a=b");
        assert_eq!(strip("/auth?a=b", 5), "/?a=b");
        assert_eq!(strip("/auth", 5), "/");
        assert_eq!(strip("http://host/x?y", 0), "/x?y");
    }
}
