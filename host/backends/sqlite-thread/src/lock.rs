//! One process per database.
//!
//! SQLite itself would let two hosts share a file, but a second one would miss what the first keeps
//! in memory (wake-ups, index flags, deliveries in flight). The lock is the kernel's, so it
//! goes with the process however that ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

use crate::{Failure, folder};

/// How long to wait for threads of this process that are still draining an earlier handle.
const PATIENCE: Duration = Duration::from_secs(5);

/// An exclusive lock on a file, released on drop.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, creating the file and its folder. Blocks for up to five seconds.
    ///
    /// # Errors
    /// When another process keeps it, or the file can't be made.
    pub fn acquire(path: &Path) -> Result<Self, Failure> {
        if let Some(folder) = path.parent() {
            folder::create(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::Storage("in use by another process".to_owned()));
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}
