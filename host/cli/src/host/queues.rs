//! The tasks that move a tenant's events: one relay from the outbox, one dispatcher a queue.

use std::{sync::Arc, time::Instant};

use pingtalk_capabilities::{documents::Outbox, events::Events};
use pingtalk_events::{dispatcher, relay};
use pingtalk_manifest::Manifest;
use pingtalk_tenancy::{Tenant, assemble};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::cores::Spawner;

/// Running event tasks.
pub(crate) struct Queues {
    dispatchers: Vec<JoinHandle<()>>,
    relay: Option<JoinHandle<()>>,
    stop_dispatchers: CancellationToken,
    stop_relay: CancellationToken,
}

impl Queues {
    /// Starts consuming. The dispatchers are spread over the cores, so that each calls instances
    /// of its own core.
    pub(crate) fn start(
        cores: &Spawner,
        tenant: &Arc<Tenant>,
        manifest: &Manifest,
        outbox: Arc<dyn Outbox>,
        events: Arc<dyn Events>,
    ) -> Self {
        let (stop_dispatchers, stop_relay) = (CancellationToken::new(), CancellationToken::new());
        let relay = cores.spawn(0, relay::run(outbox, Arc::clone(&events), stop_relay.clone()));
        let mut dispatchers = Vec::new();
        for (index, (queue, component)) in assemble::queues(manifest).into_iter().enumerate() {
            dispatchers.extend(cores.spawn(
                index,
                dispatcher::run(
                    Arc::clone(&events),
                    queue.name,
                    tenant.component(&component),
                    dispatcher::Config::default(),
                    stop_dispatchers.clone(),
                ),
            ));
        }
        Self { dispatchers, relay, stop_dispatchers, stop_relay }
    }

    /// Takes no more deliveries and waits for those in hand.
    pub(crate) async fn stop_consuming(&mut self) {
        self.stop_dispatchers.cancel();
        for dispatcher in self.dispatchers.drain(..) {
            report(dispatcher.await, "an event dispatcher");
        }
    }

    /// Moves what the outbox still holds, and ends. Call it when nothing commits any more. What
    /// is not moved by the deadline stays in the outbox, for the next start or another host.
    pub(crate) async fn flush(&mut self, deadline: Instant) {
        self.stop_relay.cancel();
        let Some(mut relay) = self.relay.take() else { return };
        match tokio::time::timeout_at(deadline.into(), &mut relay).await {
            Ok(ended) => report(ended, "the outbox relay"),
            Err(_) => {
                relay.abort();
                tracing::warn!("the outbox still holds events: they go out later");
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>, what: &str) {
    if let Err(error) = ended {
        tracing::error!(%error, "{what} panicked");
    }
}
