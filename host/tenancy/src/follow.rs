//! Keeps a directory in line with the control store: one small question a second for all tenants.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    control::{ControlError, ControlStore},
    directory::{Directory, OpenError, Opener},
};

/// How often the store is asked whether something changed.
const PACE: Duration = Duration::from_secs(1);
/// Everything is read this often, whatever the revision says.
const FULL_LOOK: Duration = Duration::from_secs(60);
/// Tenants that could not follow try again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Brings changes of the control store to a directory.
pub struct Follower<O: Opener> {
    store: ControlStore,
    directory: Arc<Directory<O>>,
    /// The revision that the directory is in line with.
    seen: tokio::sync::Mutex<i64>,
}

impl<O: Opener> Follower<O> {
    /// A follower that has seen nothing yet.
    #[must_use]
    pub fn new(store: ControlStore, directory: Arc<Directory<O>>) -> Arc<Self> {
        let seen = tokio::sync::Mutex::new(-1);
        Arc::new(Self { store, directory, seen })
    }

    /// Brings the directory in line now. Returns which tenants could not follow.
    ///
    /// # Errors
    /// When the store is away: the directory stays as it is.
    pub async fn look(&self) -> Result<Vec<(String, OpenError)>, ControlError> {
        // One at a time, so that an older state can't come after a newer one.
        let mut seen = self.seen.lock().await;
        let revision = self.store.revision().await?;
        let tenants = self.store.tenants().await?;
        let failures = self.directory.update(tenants).await;
        // What changed while we read is seen by the next look.
        *seen = revision;
        Ok(failures)
    }

    /// Follows until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut away = false;
        let mut next_full = Instant::now() + FULL_LOOK;
        while stop.run_until_cancelled(tokio::time::sleep(PACE)).await.is_some() {
            let answer = match self.store.revision().await {
                Ok(revision)
                    if revision == *self.seen.lock().await && Instant::now() < next_full =>
                {
                    Ok(())
                }
                Ok(_) => self.look().await.map(|failures| {
                    let pause = if failures.is_empty() { FULL_LOOK } else { RETRY };
                    next_full = Instant::now() + pause;
                }),
                Err(error) => Err(error),
            };
            match answer {
                Ok(()) if away => {
                    away = false;
                    tracing::info!("the control store is there again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !away {
                        tracing::warn!(%error, "tenants stay as they are until the control store is back");
                    }
                    away = true;
                }
            }
        }
    }
}
