//! Progress bars. Where nobody watches (no terminal), each step is a line instead.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A row of steps of known number.
pub(crate) struct Steps {
    bar: ProgressBar,
    visible: bool,
}

impl Steps {
    /// `verb` is what is being done, such as `Compiling`.
    pub(crate) fn new(verb: &'static str, count: usize) -> Self {
        let visible = std::io::stderr().is_terminal();
        if !visible {
            return Self { bar: ProgressBar::hidden(), visible };
        }
        let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template(
            "{prefix:>10} [{bar:24}] {pos}/{len} {wide_msg} {elapsed}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(verb);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, visible }
    }

    /// What is being worked on now.
    pub(crate) fn at(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// A step is done; `line` is what happened.
    pub(crate) fn done(&self, line: &str) {
        self.bar.inc(1);
        if self.visible {
            self.bar.println(format!("  {line}"));
        } else {
            eprintln!("  {line}");
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
