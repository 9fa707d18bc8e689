//! A table on standard output, ready for `bench/results.md`.

use std::time::Duration;

/// One measured row.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Of the server, per request or delivered message.
    pub(crate) cpu: Duration,
    pub(crate) rate: f64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

/// Prints rows with their CPU as a ratio to the first one's.
pub(crate) fn print(unit: &str, rows: &[Row]) {
    println!("\n| | CPU per {unit} (us) | ratio | per second | p50 (us) | p99 (us) |");
    println!("|---|---|---|---|---|---|");
    let base = rows.first().map_or(1.0, |row| row.cpu.as_secs_f64());
    for row in rows {
        println!(
            "| {} | {:.1} | {:.2} | {:.0} | {} | {} |",
            row.name,
            row.cpu.as_secs_f64() * 1e6,
            row.cpu.as_secs_f64() / base,
            row.rate,
            row.median.as_micros(),
            row.p99.as_micros()
        );
    }
}
