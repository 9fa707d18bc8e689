//! The capability's traits over an open database.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingtalk_capabilities::{
    TenantId,
    events::{DeadLetter, Delivery, Event, EventError, Events, EventsBackend, Queue},
};
use pingtalk_sqlite_thread::Registry;

use crate::{
    Config,
    core::{Core, Declared, Routes, now},
    delivery::{Held, Out},
    lane::Step,
    table,
};

/// Queues in one SQLite file per tenant.
pub struct SqliteEvents {
    config: Config,
    open: Registry<TenantId, Core>,
}

impl SqliteEvents {
    /// A backend with these settings. Files are made when tenants are opened.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Arc<dyn EventsBackend> {
        Arc::new(Self { config, open: Registry::default() })
    }
}

#[async_trait]
impl EventsBackend for SqliteEvents {
    async fn open(
        &self,
        tenant: &TenantId,
        queues: &[Queue],
    ) -> Result<Arc<dyn Events>, EventError> {
        let folder = self.config.data_dir.join("tenants").join(tenant.as_str());
        let open = async { Core::open(&folder, &self.config).await.map(Arc::new) };
        let core = self.open.get_or_open(tenant, open).await?;
        let routes = core.declare(queues).await?;
        Ok(Arc::new(Handle { core, routes }))
    }
}

/// A tenant's queues as one release declared them. Releases overlap while one drains.
struct Handle {
    core: Arc<Core>,
    routes: Arc<Routes>,
}

impl Handle {
    fn queue(&self, name: &str) -> Result<Arc<Declared>, EventError> {
        self.routes
            .queues
            .get(name)
            .map(Arc::clone)
            .ok_or_else(|| EventError::Invalid(format!("the queue {name} is not declared")))
    }
}

#[async_trait]
impl Events for Handle {
    async fn publish(&self, events: Vec<Event>) -> Result<(), EventError> {
        if events.iter().any(|event| event.id.is_empty() || event.id.len() > 255) {
            return Err(EventError::Invalid("an event has an id of 1 to 255 bytes".to_owned()));
        }
        Ok(self.core.publish(events).await?)
    }

    async fn next(&self, queue: &str) -> Result<Box<dyn Delivery>, EventError> {
        let queue = self.queue(queue)?;
        loop {
            // Made before looking, so that no change in between is missed.
            let changed = queue.lane.changed();
            match queue.lane.step(now()) {
                Step::Deliver(waiting) => {
                    let held = Held::new(Arc::clone(&queue), waiting);
                    return Ok(Box::new(Out { core: Arc::clone(&self.core), held }));
                }
                Step::Read(read) => self.core.read(&queue, read).await?,
                Step::Wait(None) => changed.await,
                Step::Wait(Some(due)) => {
                    let pause = u64::try_from(due.saturating_sub(now())).unwrap_or(0);
                    // Whichever comes first; then look again.
                    drop(tokio::time::timeout(Duration::from_millis(pause), changed).await);
                }
            }
        }
    }

    async fn depth(&self, queue: &str) -> Result<u64, EventError> {
        let number = self.queue(queue)?.number;
        Ok(self.core.call(0, move |connection| table::depth(connection, number)).await?)
    }

    async fn dead_letter_count(&self, queue: &str) -> Result<u64, EventError> {
        let number = self.queue(queue)?.number;
        Ok(self.core.call(0, move |connection| table::dead_count(connection, number)).await?)
    }

    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, EventError> {
        let queue = self.queue(queue)?;
        let list = move |connection: &rusqlite::Connection| {
            table::dead(connection, queue.number, &queue.name, limit)
        };
        Ok(self.core.call(0, list).await?)
    }

    async fn replay(&self, queue: &str, event_id: &str) -> Result<bool, EventError> {
        let queue = self.queue(queue)?;
        Ok(self.core.replay(&queue, event_id).await?)
    }

    async fn discard(&self, queue: &str, event_id: &str) -> Result<bool, EventError> {
        let queue = self.queue(queue)?;
        Ok(self.core.discard(&queue, event_id).await?)
    }
}
