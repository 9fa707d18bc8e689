//! Checks JSON (RFC 8259) without building it: an event's arguments pass through the host as
//! text, so all that is needed is where the first element ends, that the rest is well formed,
//! not nested too deeply, and that binary placeholders point at attachments that exist.

use crate::Malformed;

/// Deepest nesting accepted. serde_json, which guests use, refuses more than 128.
const MAX_DEPTH: usize = 100;

/// An array of JSON, split after its first element.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Array<'a> {
    /// The first element's text.
    pub(crate) first: Option<&'a str>,
    /// The elements after the first, with their commas, without brackets.
    pub(crate) rest: &'a str,
    /// All elements, with their commas, without brackets.
    pub(crate) all: &'a str,
}

/// Checks an array whose placeholders may name attachments below `attachments`.
pub(crate) fn array(text: &str, attachments: usize) -> Result<Array<'_>, Malformed> {
    let mut scan = Scan { text, at: 0, attachments };
    scan.space();
    scan.expect(b'[')?;
    let start = scan.at;
    scan.space();
    let mut first = None;
    let mut rest_from = None;
    if scan.peek() != Some(b']') {
        loop {
            scan.space();
            let from = scan.at;
            scan.value(1)?;
            if first.is_none() {
                first = text.get(from..scan.at);
            }
            scan.space();
            if scan.peek() != Some(b',') {
                break;
            }
            scan.at += 1;
            rest_from.get_or_insert(scan.at);
        }
    }
    let end = scan.at;
    scan.expect(b']')?;
    scan.end()?;
    Ok(Array {
        first,
        rest: text.get(rest_from.unwrap_or(end)..end).unwrap_or_default(),
        all: text.get(start..end).unwrap_or_default(),
    })
}

/// Checks an object.
pub(crate) fn object(text: &str) -> Result<(), Malformed> {
    let mut scan = Scan { text, at: 0, attachments: 0 };
    scan.space();
    if scan.peek() != Some(b'{') {
        return Err(Malformed("not an object"));
    }
    scan.value(0)?;
    scan.space();
    scan.end()
}

/// Checks any one value.
pub(crate) fn value(text: &str) -> Result<(), Malformed> {
    let mut scan = Scan { text, at: 0, attachments: 0 };
    scan.space();
    scan.value(0)?;
    scan.space();
    scan.end()
}

/// A position in a text that is being checked.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    attachments: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(Malformed("not valid JSON"))
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Malformed("text after JSON")) }
    }

    fn value(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("JSON nested too deeply"));
        }
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.members(depth),
            Some(b'[') => self.elements(depth),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(());
        }
        Err(Malformed("not valid JSON"))
    }

    fn elements(&mut self, depth: usize) -> Result<(), Malformed> {
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                return self.expect(b']');
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<(), Malformed> {
        self.expect(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let (mut is_placeholder, mut number) = (false, None);
        loop {
            self.space();
            let key_from = self.at;
            self.string()?;
            let key_to = self.at;
            self.space();
            self.expect(b':')?;
            self.space();
            let value_from = self.at;
            self.value(depth + 1)?;
            let value = self.text.get(value_from..self.at);
            match self.text.get(key_from..key_to) {
                Some(r#""_placeholder""#) => is_placeholder = value == Some("true"),
                Some(r#""num""#) => number = value,
                _ => {}
            }
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.expect(b'}')?;
            break;
        }
        let points_nowhere =
            || number.and_then(|n| n.parse::<usize>().ok()).is_none_or(|n| n >= self.attachments);
        if is_placeholder && points_nowhere() {
            return Err(Malformed("a placeholder without its attachment"));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                // A byte below 0x20 must be escaped; those of 0x80 and above are parts of
                // characters, which `&str` vouches for.
                Some(0..0x20) | None => return Err(Malformed("not valid JSON")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let escaped = self.peek();
        self.at += 1;
        match escaped {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => {
                for _ in 0..4 {
                    if !self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
                        return Err(Malformed("not valid JSON"));
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(Malformed("not valid JSON")),
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(Malformed("not valid JSON")) }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn splits_after_the_first_element() {
        let split = array(r#" [ "a" , 1, {"b":[2]} ] "#, 0).unwrap();
        assert_eq!(split.first, Some("\"a\""));
        assert_eq!(split.rest, r#" 1, {"b":[2]} "#);
        assert_eq!(array("[]", 0).unwrap(), Array { first: None, rest: "", all: "" });
        assert_eq!(array("[7]", 0).unwrap(), Array { first: Some("7"), rest: "", all: "7" });
    }

    #[test]
    fn placeholders_must_point_at_an_attachment() {
        let text = r#"["x",[{"num":1,"_placeholder":true}]]"#;
        assert!(array(text, 2).is_ok());
        assert!(array(text, 1).is_err());
        assert!(array(r#"["x",{"_placeholder":true}]"#, 9).is_err());
        assert!(array(r#"["x",{"_placeholder":false,"num":7}]"#, 0).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("[{}{}]", "[".repeat(depth), "]".repeat(depth));
        assert!(array(&nested(MAX_DEPTH), 0).is_ok());
        assert!(array(&nested(MAX_DEPTH + 1), 0).is_err());
        assert!(array(&"[".repeat(500_000), 0).is_err());
    }

    /// Whatever is fed to it, the checker agrees with serde_json (but for depth and lone
    /// surrogates, which the alphabet below can't form).
    #[test]
    fn agrees_with_serde_json() {
        let pieces = [
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"a\"",
            "\"\\n\"",
            "\"\\u00e9\"",
            "\"",
            "1",
            "-",
            "0",
            ".5",
            "e3",
            "true",
            "null",
            "false",
            " ",
            "é",
            "\\",
            "tru",
            "\u{1}",
            "E+",
            "01",
        ];
        let mut random = StdRng::seed_from_u64(7);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..200_000 {
            let length = random.random_range(1..9);
            let text: String =
                (0..length).map(|_| pieces[random.random_range(0..pieces.len())]).collect();
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert_eq!(value(&text).is_ok(), theirs, "{text:?}");
            if theirs { good += 1 } else { bad += 1 }
        }
        assert!(good > 500 && bad > 500, "{good} {bad}");
    }
}
