//! Running other programs: from the repository's root, with their output shown as it comes.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program by name, run from the root.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// True when `name` can be started.
pub(crate) fn exists(name: &str) -> bool {
    // OpenSSL has a command for it.
    ["--version", "version"].iter().any(|question| {
        let mut probe = Command::new(name);
        probe.arg(question).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    })
}

/// Runs to the end and fails when the program does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("could not start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// Runs to the end, handing each line of standard output to `line` after it was shown. True when
/// the program succeeded. What takes longer than `bound` is killed with everything it started, and
/// has failed: a test that hangs must not hang whoever waits for all of them.
pub(crate) fn stream(
    command: &mut Command,
    bound: Duration,
    mut line: impl FnMut(&str),
) -> Result<bool> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {shown}"))?;
    let output = child.stdout.take().context("standard output was not piped")?;
    let (ended, over) = mpsc::channel::<()>();
    let root = child.id();
    let watch = thread::spawn(move || {
        let timed_out = over.recv_timeout(bound) == Err(RecvTimeoutError::Timeout);
        if timed_out {
            eprintln!("killed after {bound:?}: {shown}");
            kill(&descendants(root));
        }
        timed_out
    });
    let mut out = std::io::stdout().lock();
    for text in BufReader::new(output).lines() {
        let text = text?;
        writeln!(out, "{text}")?;
        line(&text);
    }
    let status = child.wait()?;
    drop(ended);
    let timed_out = watch.join().unwrap_or(true);
    Ok(status.success() && !timed_out)
}

/// A process and all that it started, by process id.
fn descendants(root: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    let pairs: Vec<(u32, u32)> = String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(pairs.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

fn kill(pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    // Some may have ended by themselves.
    let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let mut lines = Vec::new();
        let mut hanging = Command::new("sh");
        // The child holds standard output open beyond its parent's end.
        hanging.args(["-c", "echo started; sleep 60 & wait"]);
        let started = std::time::Instant::now();
        let succeeded =
            stream(&mut hanging, Duration::from_millis(300), |line| lines.push(line.to_owned()));
        assert!(!succeeded.unwrap());
        assert_eq!(lines, ["started"]);
        assert!(started.elapsed() < Duration::from_secs(30));
        let mut quick = Command::new("sh");
        quick.args(["-c", "exit 0"]);
        assert!(stream(&mut quick, Duration::from_secs(60), |_| {}).unwrap());
    }
}
