//! The outbox relay: reads committed events in commit order, makes them durable in the queue, then
//! forgets them. A crash between the last two steps publishes an event again under the same id,
//! which queues and consumers tolerate.

use std::sync::Arc;

use pingtalk_capabilities::{documents::Outbox, events::Events};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// Events moved per round: large enough to share a disk sync, small enough to bound memory
/// (256 events of 256 KiB at most).
const BATCH: usize = 256;

/// Runs until `stop` is cancelled, then moves what is still there once more.
pub async fn run(outbox: Arc<dyn Outbox>, events: Arc<dyn Events>, stop: CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let pause = match drain(&*outbox, &*events).await {
            Ok(()) => {
                backoff.reset();
                None
            }
            Err(reason) => {
                let pause = backoff.next();
                tracing::warn!(%reason, pause_ms = pause.as_millis(), "outbox not published, will try again");
                Some(pause)
            }
        };
        if stop.is_cancelled() {
            return;
        }
        let wake = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => outbox.changed().await,
            }
        };
        tokio::select! {
            () = wake => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Moves everything that is in the outbox now.
async fn drain(outbox: &dyn Outbox, events: &dyn Events) -> Result<(), String> {
    loop {
        let batch = outbox.unpublished(BATCH).await.map_err(|error| error.to_string())?;
        if batch.is_empty() {
            return Ok(());
        }
        let (positions, batch): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|entry| (entry.position, entry.event)).unzip();
        events.publish(batch).await.map_err(|error| error.to_string())?;
        outbox.published(positions).await.map_err(|error| error.to_string())?;
    }
}
