//! Making folders that are still there after a power cut.

use std::{fs::File, io, path::Path};

/// Makes a folder with those above it. SQLite syncs the folder its files are in; that this folder
/// exists is noted in the one above, which nobody else would sync.
///
/// # Errors
/// When a folder can't be made or synced.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        create(above)?;
    }
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        // Another thread was faster, and may not have synced yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn makes_all_that_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        create(&deep).unwrap();
        create(&deep).unwrap();
        assert!(deep.is_dir());
        std::fs::write(root.path().join("file"), "x").unwrap();
        assert!(create(&root.path().join("file/below")).is_err());
    }
}
