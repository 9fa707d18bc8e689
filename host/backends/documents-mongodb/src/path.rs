//! Paths into documents, and the names the store keeps for itself.

use pingtalk_capabilities::documents::DocumentError;

use crate::error::invalid;

/// Longest path, in bytes.
const MAX_BYTES: usize = 255;

/// The hidden field with the markers of commits that are not cleaned up yet.
pub(crate) const MARKERS: &str = "_commits";
/// The hidden field that says which commit deletes the document.
pub(crate) const DELETING: &str = "_deleting";

/// Checks a path: names joined by dots, none an operator, none of the hidden fields.
pub(crate) fn check(path: &str) -> Result<&str, DocumentError> {
    let wrong = |name: &str| name.is_empty() || name.starts_with('$') || name.contains('\0');
    if path.len() > MAX_BYTES || path.split('.').any(wrong) {
        return Err(invalid(format!(
            "`{}` is no path: names joined by dots, none empty or starting with $",
            path.chars().take(64).collect::<String>()
        )));
    }
    let first = path.split('.').next().unwrap_or_default();
    if is_hidden(first) {
        return Err(invalid(format!("the field `{first}` is the store's own")));
    }
    Ok(path)
}

/// True for a field that no reader sees.
pub(crate) fn is_hidden(name: &str) -> bool {
    name == MARKERS || name == DELETING
}

/// True when one path leads to or through the other's target.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    one.split('.').zip(other.split('.')).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_hidden_fields_are_refused() {
        for wrong in
            ["", ".", "a.", ".a", "a..b", "$where", "a.$b", "a\0", "_commits", "_deleting.x"]
        {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        assert!(check(&"a".repeat(256)).is_err());
        for fine in ["a", "_id", "a.b.0", "a._commits"] {
            assert!(check(fine).is_ok(), "{fine:?}");
        }
        assert!(overlap("a", "a.b") && overlap("a.b", "a") && !overlap("a.b", "a.c"));
        assert!(!overlap("ab", "a"));
    }
}
