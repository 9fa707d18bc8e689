//! Answers of the admin API as text for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::age::rounded;

/// A text field; empty when it is not there.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A list; empty when it is not there.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A number; 0 when it is not there.
pub(super) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The elements of a list of texts.
pub(super) fn texts<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    list(value, name).iter().filter_map(Value::as_str)
}

/// A head and rows, in columns as wide as their widest cell.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// How long ago a moment in milliseconds since the epoch was.
pub(super) fn ago(value: &Value, name: &str) -> String {
    let at = Duration::from_millis(number(value, name));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} ago", rounded(now.saturating_sub(at)))
}

/// A digest's or release's first digits, enough to tell it from its neighbours.
pub(super) fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..12).unwrap_or(digits)
}

/// What a release changes.
pub(super) fn changes(changes: &Value) {
    for component in list(changes, "components") {
        let side = |name: &str| match component.get(name).and_then(Value::as_str) {
            Some(digest) => short(digest).to_owned(),
            None => "none".to_owned(),
        };
        println!("  {:<12} {} -> {}", text(component, "name"), side("before"), side("after"));
        for (field, sign, what) in [
            ("imports_added", '+', "imports"),
            ("imports_removed", '-', "imports"),
            ("exports_added", '+', "exports"),
            ("exports_removed", '-', "exports"),
        ] {
            for interface in texts(component, field) {
                println!("    {sign} {what} {interface}");
            }
        }
    }
    for (field, sign) in [("granted", '+'), ("withdrawn", '-')] {
        for grant in texts(changes, field) {
            println!("  {sign} grant {grant}");
        }
    }
    for setting in list(changes, "settings") {
        let side = |name: &str| setting.get(name).and_then(Value::as_str).unwrap_or("not set");
        println!("  {}: {} -> {}", text(setting, "path"), side("before"), side("after"));
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_digest_is_cut() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("abc"), "abc");
    }
}
