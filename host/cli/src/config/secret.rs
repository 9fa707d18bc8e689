//! Secrets: values that never show in Debug or a log, and those the host makes for itself.

use std::{fmt, fs, io::Write, path::Path};

use anyhow::{Context, Result, ensure};
use rand::TryRngCore;
use serde::Deserialize;

/// A value that is not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for whoever must use it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A random secret that is made once and kept in `directory`, readable by the owner only.
pub(crate) fn generated(directory: &Path, name: &str) -> Result<Secret> {
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(value) => {
            ensure!(
                value.len() >= 32,
                "{} is damaged: remove it to get a new secret",
                path.display()
            );
            return Ok(Secret(value));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("{} can't be read", path.display()));
        }
    }
    let mut bytes = [0_u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).context("the system has no randomness")?;
    let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir_all(directory)
        .with_context(|| format!("{} can't be made", directory.display()))?;
    // Written whole or not at all: a second start must not read half a secret.
    let part = directory.join(format!("{name}.part"));
    let mut file =
        owner_only(&part).with_context(|| format!("{} can't be written", part.display()))?;
    file.write_all(value.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, &path)?;
    Ok(Secret(value))
}

#[cfg(unix)]
fn owner_only(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn owner_only(path: &Path) -> std::io::Result<fs::File> {
    fs::File::create(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_stays_and_does_not_show() {
        let directory = tempfile::tempdir().unwrap();
        let first = generated(directory.path(), "jwt_secret").unwrap();
        let second = generated(directory.path(), "jwt_secret").unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), 64);
        assert_eq!(format!("{first:?}"), "(secret)");
    }
}
