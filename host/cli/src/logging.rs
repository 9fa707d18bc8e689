//! Where log lines go: standard error, as text for people or JSON for machines, and a collector if
//! there is one.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    config::{Config, LogFormat},
    telemetry::Telemetry,
};

/// Starts logging. Once a process.
pub(crate) fn start(config: &Config, telemetry: Option<&Telemetry>) -> Result<()> {
    let filter = EnvFilter::try_new(directives(&config.log))
        .with_context(|| format!("`log` holds no valid directives: `{}`", config.log))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => {
            lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(telemetry.map(Telemetry::lines))
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging can't be started: {error}"))
}

/// Drivers that log what they also return, as errors even where it is expected (a queue that is
/// looked for and not there yet): their backends say what matters. Whoever names one hears it.
const TOLD_BY_THEIR_BACKENDS: [&str; 1] = ["lapin"];

fn directives(log: &str) -> String {
    let mut directives = log.to_owned();
    for driver in TOLD_BY_THEIR_BACKENDS {
        if !log.contains(driver) {
            directives.push_str(&format!(",{driver}=off"));
        }
    }
    directives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_silent_unless_named() {
        assert_eq!(directives("info"), "info,lapin=off");
        assert_eq!(directives("info,lapin=debug"), "info,lapin=debug");
    }
}
