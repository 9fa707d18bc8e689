//! Passwords: which are strong enough, and how they are kept.
//!
//! They are bcrypt hashes (`$2b$10$…`), which the original services can verify as well, so that
//! accounts may move back and forth. bcrypt looks at 72 bytes; a longer password is refused
//! rather than cut, here and when it is compared.
//!
//! Hashing and comparing take some 50 to 100 ms of processor time each, inside the sandbox.

use pingtalk_sdk::{Context, Error, Result};

/// Most bytes of a password: as many as bcrypt reads.
pub(crate) const MAX_BYTES: usize = 72;
/// bcrypt's cost: 2^10 rounds, as in the accounts that exist.
const COST: u32 = 10;
/// Fewest characters.
const MIN_CHARACTERS: usize = 8;
/// ASCII punctuation, the space and the pound sign: what existing accounts were allowed.
const SYMBOLS: &str = "-#!$@£%^&*()_+|~=`{}[]:\";'<>?,./\\ ";

/// Checks a new password that came in `field`.
///
/// # Errors
/// 400 when it is weak or too long.
pub(crate) fn check(field: &str, password: &str) -> Result<()> {
    if password.len() > MAX_BYTES {
        let text = format!("{field} must be at most {MAX_BYTES} bytes long");
        return Err(Error::bad_request(text));
    }
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let strong = password.chars().count() >= MIN_CHARACTERS
        && has(|c| c.is_ascii_lowercase())
        && has(|c| c.is_ascii_uppercase())
        && has(|c| c.is_ascii_digit())
        && has(|c| SYMBOLS.contains(c));
    if strong { Ok(()) } else { Err(Error::bad_request("Please Enter a Strong Password")) }
}

/// Hashes a password that passed [`check`].
///
/// # Errors
/// 500 when the host hands out too little randomness for a salt.
pub(crate) fn hash(cx: &Context, password: &str) -> Result<String> {
    let salt: [u8; 16] = (cx.random(16).try_into())
        .map_err(|_| Error::internal("no randomness for a password's salt"))?;
    with_salt(password, salt)
}

fn with_salt(password: &str, salt: [u8; 16]) -> Result<String> {
    bcrypt::hash_with_salt(password, COST, salt)
        .map(|parts| parts.to_string())
        .map_err(|error| Error::internal(format!("password was not hashed: {error}")))
}

/// Whether a password is the one behind a stored hash. False as well for a hash that is none.
pub(crate) fn matches(password: &str, hash: &str) -> bool {
    password.len() <= MAX_BYTES && bcrypt::verify(password, hash).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wants_four_kinds_of_characters() {
        for strong in ["Aa1!aaaa", "Correct Horse 1", "£xA1aaaaa", "Ünï1!Aabc"] {
            assert!(check("password", strong).is_ok(), "{strong}");
        }
        for weak in ["", "Aa1!aaa", "aa1!aaaa", "AA1!AAAA", "Aaa!aaaa", "Aa1aaaaa", "Àà1!ÀÀÀÀ"]
        {
            let refusal = check("password", weak).unwrap_err();
            assert_eq!(refusal.text(), "Please Enter a Strong Password", "{weak}");
        }
    }

    #[test]
    fn never_cuts() {
        let longest = "Aa1!".repeat(18);
        assert!(check("password", &longest).is_ok());
        let longer = format!("{longest}x");
        // The second has 72 characters, but more bytes.
        for refused in [&longer, &longest.replacen('a', "ä", 1)] {
            let refusal = check("newPassword", refused).unwrap_err();
            assert_eq!(refusal.text(), "newPassword must be at most 72 bytes long");
        }

        let stored = with_salt(&longest, [7; 16]).unwrap();
        assert!(matches(&longest, &stored));
        assert!(!matches(&longer, &stored));
    }

    #[test]
    fn hashes_verify_elsewhere_and_theirs_here() {
        // Made with libxcrypt 4.
        let hashes = [
            ("Str0ng!pass", "$2b$10$abcdefghijklmnopqrstuu2VJnF2R1cQj1O/Z9sK44gN8fyw6dgzK"),
            ("päss W0rd", "$2a$10$N9qo8uLOickgx2ZMRZoMyella.Mn7HKHqA82tosHiXUBeC7jzp6tG"),
        ];
        for (password, stored) in hashes {
            assert!(matches(password, stored), "{password}");
            assert!(!matches("Str0ng!pasS", stored));
        }
        // The salt of the first one, decoded.
        let salt: bcrypt::HashParts = hashes[0].1.parse().unwrap();
        assert_eq!(with_salt("Str0ng!pass", salt.get_salt_raw()).unwrap(), hashes[0].1);
    }

    #[test]
    fn salts_differ_and_a_broken_hash_matches_nothing() {
        let [a, b] = [1, 2].map(|salt| with_salt("Aa1!aaaa", [salt; 16]).unwrap());
        assert!(a.starts_with("$2b$10$") && a.len() == 60);
        assert_ne!(a, b);
        for broken in ["", "plain", "$2b$10$short"] {
            assert!(!matches("plain", broken));
        }
    }
}
