//! Counts tests over all runners and keeps the sum for the last lines of a run.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::target;

/// One runner's outcome.
pub(crate) struct Part {
    name: &'static str,
    started: Instant,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Part {
    pub(crate) fn new(name: &'static str) -> Self {
        println!("\n== {name}");
        Self { name, started: Instant::now(), passed: 0, failed: 0, skipped: 0 }
    }

    /// Counts from a line of output: cargo's `test result: ok. 3 passed; 0 failed; 1 ignored; …`,
    /// node's `ℹ pass 3`, pytest's `3 passed, 1 skipped in 2.0s`.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
            self.skipped += number_before(counts, " ignored");
        } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            let mut words = rest.split(' ');
            let (Some(kind), Some(Ok(count)), None) =
                (words.next(), words.next().map(str::parse::<u64>), words.next())
            else {
                return;
            };
            match kind {
                "pass" => self.passed += count,
                "fail" | "cancelled" => self.failed += count,
                "skipped" | "todo" => self.skipped += count,
                _ => {}
            }
        } else if line.ends_with('s') && line.contains(" in ") && line.contains(" passed") {
            self.passed += number_before(line, " passed");
            self.failed += number_before(line, " failed");
            self.skipped += number_before(line, " skipped");
        }
    }

    /// A runner that failed without counting a failure failed once.
    pub(crate) fn end(&mut self, succeeded: bool) {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
    }

    fn line(&self) -> String {
        format!(
            "{:<34} {:>5} passed {:>3} failed {:>3} skipped  {:>4} s",
            self.name,
            self.passed,
            self.failed,
            self.skipped,
            self.started.elapsed().as_secs()
        )
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    text.split_once(word)
        .and_then(|(before, _)| before.rsplit([' ', '=']).next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Collects finished parts.
#[derive(Default)]
pub(crate) struct Summary {
    lines: Vec<String>,
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, part: &Part) {
        self.lines.push(part.line());
        self.passed += part.passed;
        self.failed += part.failed;
        self.skipped += part.skipped;
    }

    /// Prints and keeps the sum. False when anything failed, or when nothing ran.
    pub(crate) fn finish(&self) -> Result<bool> {
        let mut text = String::from("\n");
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&format!(
            "\n{} passed, {} failed, {} skipped\n",
            self.passed, self.failed, self.skipped
        ));
        print!("{text}");
        std::fs::write(target().join("test-summary.txt"), &text)?;
        Ok(self.failed == 0 && self.passed > 0)
    }
}

/// Prints what the last run left.
pub(crate) fn print_last() -> Result<()> {
    let path = target().join("test-summary.txt");
    let text = std::fs::read_to_string(path)
        .context("no test run to summarise: run `cargo xtask test`")?;
    print!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_runner_by_its_own_closing_lines() {
        let mut part = Part::new("all");
        part.read("test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s");
        part.read("ℹ pass 7");
        part.read("# fail 1");
        part.read("ℹ skipped 3");
        part.read("ℹ duration_ms 17");
        part.read("==== 4 passed, 1 skipped in 2.31s ====");
        part.read("=4 passed in 2.31s");
        part.read("4 passed, 1 skipped in 2.31s");
        assert_eq!((part.passed, part.failed, part.skipped), (27, 3, 5));
    }

    #[test]
    fn a_silent_failure_counts_as_one() {
        let mut part = Part::new("all");
        part.end(false);
        assert_eq!(part.failed, 1);
    }
}
