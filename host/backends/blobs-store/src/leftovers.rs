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
