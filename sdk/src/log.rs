//! Log lines on standard error, which the host takes up with the call's request id.
//!
//! One line is one event: a level, a message, and fields as `name=value`. Never log a password,
//! a token, a cookie or a request body.

use std::fmt::{Display, Write};

/// Something an operator may want to know.
pub fn info(message: &str, fields: &[(&str, &dyn Display)]) {
    write(&line("INFO", message, fields));
}

/// Something that was worked around.
pub fn warn(message: &str, fields: &[(&str, &dyn Display)]) {
    write(&line("WARN", message, fields));
}

/// Something that failed.
pub fn error(message: &str, fields: &[(&str, &dyn Display)]) {
    write(&line("ERROR", message, fields));
}

fn write(line: &str) {
    eprintln!("{line}");
}

fn line(level: &str, message: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut line = format!("{level} {message}");
    for (name, value) in fields {
        let text = value.to_string();
        // Quoting keeps a value in its field and its line.
        let plain = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
        // Writing to a string can't fail.
        let _ =
            if plain { write!(line, " {name}={text}") } else { write!(line, " {name}={text:?}") };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn values_stay_in_their_field_and_line() {
        let text = line("WARN", "odd", &[("a", &1), ("b", &"x y\nERROR z"), ("c", &"")]);
        assert_eq!(text, "WARN odd a=1 b=\"x y\\nERROR z\" c=\"\"");
    }
}
