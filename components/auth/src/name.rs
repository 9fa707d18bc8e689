//! First and last names.

use pingtalk_sdk::{Error, Fields, Result};

/// Fewest characters.
const MIN_CHARACTERS: usize = 2;
/// Most characters: longer than any name in use, short enough to show.
const MAX_CHARACTERS: usize = 100;

/// Both names, without surrounding spaces.
///
/// # Errors
/// The contract's 400s: first for a missing one, then for a short one.
pub(crate) fn read(body: &Fields) -> Result<(&str, &str)> {
    let first = body.text("firstName")?.unwrap_or_default().trim();
    let last = body.text("lastName")?.unwrap_or_default().trim();
    if first.is_empty() || last.is_empty() {
        return Err(Error::bad_request("Enter first and lastName"));
    }
    for (field, name) in [("firstName", first), ("lastName", last)] {
        match name.chars().count() {
            0..MIN_CHARACTERS => {
                return Err(Error::bad_request("Name must be at least 2 characters long"));
            }
            MIN_CHARACTERS..=MAX_CHARACTERS => {}
            _ => {
                let text = format!("{field} must be at most {MAX_CHARACTERS} characters long");
                return Err(Error::bad_request(text));
            }
        }
    }
    Ok((first, last))
}
