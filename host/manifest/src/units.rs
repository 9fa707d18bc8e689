//! Sizes and durations as people write them.

use std::time::Duration;

/// Bytes. `KB`, `MB` and `GB` count in thousands, `KiB`, `MiB` and `GiB` in 1,024s; a bare number
/// counts bytes. Fractions are refused, so that a bound is always the number that is written.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A duration in `ms`, `s`, `min` or `h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Bytes for people: the largest unit that loses nothing.
pub(crate) fn show_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "KB"),
    ];
    UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes} B"), |(unit, name)| format!("{} {name}", bytes / unit))
}

/// A duration for people.
pub(crate) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds.is_multiple_of(1_000) {
        format!("{} s", milliseconds / 1_000)
    } else {
        format!("{milliseconds} ms")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, show_duration, show_size, size};

    #[test]
    fn reads_sizes() {
        assert_eq!(size("100KiB"), Some(102_400));
        assert_eq!(size("10 MB"), Some(10_000_000));
        assert_eq!(size("512"), Some(512));
        for wrong in ["", "MiB", "1.5MiB", "-1KiB", "10mb", "99999999999GiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_durations() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
        for wrong in ["30", "1d", "s", "1.5s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shows_what_it_read() {
        for text in ["64 MiB", "100 KiB", "10 MB", "513 B"] {
            assert_eq!(size(text).map(show_size).as_deref(), Some(text));
        }
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500 ms");
        assert_eq!(show_duration(Duration::from_secs(30)), "30 s");
    }
}
