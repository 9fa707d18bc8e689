//! Removes what a crash left of unfinished uploads.
//!
//! The object store writes `name#1` beside `name` and renames it when it is complete; no blob has a
//! `#` in its name. Runs when a tenant is opened, before any upload.

use std::path::{Path, PathBuf};

/// Removes unfinished uploads below a folder. Blocks. What can't be read or removed stays: it is
/// invisible to clients anyway.
pub(crate) fn remove(root: &Path) {
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().as_encoded_bytes().contains(&b'#') {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn unfinished_uploads_go_and_blobs_stay() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("container/dir+");
        std::fs::create_dir_all(&folder).unwrap();
        let files = ["blob", "blob#1", "other#12"].map(|name| folder.join(name));
        for file in &files {
            std::fs::write(file, "x").unwrap();
        }
        remove(root.path());
        assert_eq!(files.map(|file| file.exists()), [true, false, false]);
    }
}
