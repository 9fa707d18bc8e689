//! Times that have passed, for people.

use std::time::Duration;

/// In the greatest unit that fits.
pub(crate) fn rounded(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::rounded;

    #[test]
    fn ages_are_rounded_down() {
        let shown = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(
            [0, 59, 60, 3_599, 3_600, 200_000].map(shown),
            ["0 s", "59 s", "1 min", "59 min", "1 h", "2 d"]
        );
    }
}
