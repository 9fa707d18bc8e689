//! `pingtalk doctor`: asks each configured backend whether it can do its work, and says what to do
//! where it can't.

use std::{io::IsTerminal, path::PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use pingtalk_capabilities::checkup::{Finding, Severity};

use crate::{ManifestOption, config::Config, host::Capability, loading::Application};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    manifest: ManifestOption,
    /// Where all data lie [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration [default: pingtalk.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut config = Config::load(options.config.as_deref())?;
    if let Some(data) = &options.data {
        config.data.clone_from(data);
    }
    let application = Application::read(&options.manifest.manifest)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let colours = std::io::stdout().is_terminal();
    let problems = runtime.block_on(async {
        let mut problems = 0;
        for capability in Capability::ALL {
            println!("{:<10} {}", capability.name(), capability.place(&config));
            for finding in capability.examine(&config, &application.manifest).await {
                problems += usize::from(finding.severity == Severity::Problem);
                print!("{}", shown(&finding, colours));
            }
        }
        problems
    });
    if problems > 0 {
        bail!("{problems} {}", if problems == 1 { "problem" } else { "problems" });
    }
    println!("\nEverything that is configured works.");
    Ok(())
}

/// A finding on a line, its advice on the next.
fn shown(finding: &Finding, colours: bool) -> String {
    let (mark, colour) = match finding.severity {
        Severity::Fine => ("ok", "32"),
        Severity::Warning => ("warning", "33"),
        Severity::Problem => ("PROBLEM", "31"),
    };
    // Padded before it is coloured: escapes have no width.
    let mark = format!("{mark:>9}");
    let mark = if colours { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark };
    let mut text = format!("{mark}  {}\n", finding.what);
    if let Some(advice) = &finding.advice {
        text.push_str(&format!("{:>9}  {advice}\n", ""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_what_it_is_about() {
        assert_eq!(shown(&Finding::fine("reachable"), false), "       ok  reachable\n");
        assert_eq!(
            shown(&Finding::problem("not reachable", "start it"), false),
            "  PROBLEM  not reachable\n           start it\n"
        );
        assert!(shown(&Finding::warning("slow", "look"), true).starts_with("\u{1b}[33m  warning"));
    }
}
