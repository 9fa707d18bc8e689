//! The capability's traits over the connections to the broker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pingtalk_capabilities::{
    TenantId,
    events::{DeadLetter, Delivery, Disposition, Event, EventError, Events, EventsBackend, Queue},
};

use crate::{
    Config,
    core::Core,
    dead::{self, Then},
    delivery::Out,
    error::Error,
    lane::{Lane, Route, Step},
    link::Link,
    message,
    topology::Topology,
};

/// Queues at a RabbitMQ, shared with whoever else uses them.
pub struct RabbitEvents {
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    links: Option<Links>,
    /// One for each tenant ever opened.
    tenants: HashMap<TenantId, Arc<Core>>,
}

/// Two connections: a broker that is short of memory or disk stops reading from those that publish, and
/// acknowledgements must go on.
#[derive(Clone)]
struct Links {
    sending: Arc<Link>,
    receiving: Arc<Link>,
}

impl RabbitEvents {
    /// A backend with these settings. It connects when the first tenant is opened, on that call's
    /// runtime, which must outlive the backend.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Arc<dyn EventsBackend> {
        Arc::new(Self { config, state: Mutex::default() })
    }

    fn core(&self, tenant: &TenantId) -> Arc<Core> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let links = state.links.get_or_insert_with(|| Links {
            sending: Arc::new(Link::start(&self.config, "sending")),
            receiving: Arc::new(Link::start(&self.config, "receiving")),
        });
        let links = links.clone();
        let core = state.tenants.entry(tenant.clone()).or_insert_with(|| {
            Arc::new(Core::new(links.sending, links.receiving, self.config.prefetch))
        });
        Arc::clone(core)
    }
}

#[async_trait]
impl EventsBackend for RabbitEvents {
    /// A broker that is away fails nothing here: the host serves, the outbox holds the events, and the
    /// queues are made with the first call that reaches the broker.
    async fn open(
        &self,
        tenant: &TenantId,
        queues: &[Queue],
    ) -> Result<Arc<dyn Events>, EventError> {
        let core = self.core(tenant);
        let sending = Arc::clone(&core.sending);
        let plain = self.config.plain_queues;
        let topology = Arc::new(Topology::new(sending, tenant, queues, plain)?);
        if let Err(error) = topology.ensure().await {
            match error {
                Error::Invalid(_) => return Err(error.into()),
                Error::Unavailable(reason) => {
                    tracing::warn!(%tenant, %reason, "queues not declared yet, will try again");
                }
            }
        }
        let mut open = HashMap::new();
        for queue in queues {
            let route = Route {
                queue: topology.queue(&queue.name)?,
                topology: Arc::clone(&topology),
                mover: Arc::clone(&core.mover),
            };
            let lane = core.lane(route.clone());
            open.insert(queue.name.clone(), Opened { lane, route });
        }
        Ok(Arc::new(Handle { core, topology, open }))
    }
}

/// A tenant's queues as one release declared them. Releases overlap while one drains.
struct Handle {
    core: Arc<Core>,
    topology: Arc<Topology>,
    open: HashMap<String, Opened>,
}

/// The lane is shared with other releases, the declaration is not.
struct Opened {
    lane: Arc<Lane>,
    route: Route,
}

impl Handle {
    fn queue(&self, name: &str) -> Result<&Opened, EventError> {
        let found = self.open.get(name);
        found.ok_or_else(|| EventError::Invalid(format!("the queue {name} is not declared")))
    }
}

#[async_trait]
impl Events for Handle {
    async fn publish(&self, events: Vec<Event>) -> Result<(), EventError> {
        if events.iter().any(|event| !message::is_id(&event.id) || event.topic.len() > 255) {
            let text = "an event has an id of 1 to 255 bytes and a topic of at most 255";
            return Err(EventError::Invalid(text.to_owned()));
        }
        Ok(self.core.publish(&self.topology, events).await?)
    }

    async fn next(&self, queue: &str) -> Result<Box<dyn Delivery>, EventError> {
        let Opened { lane, route } = self.queue(queue)?;
        lane.start();
        loop {
            // Made before looking, so that no change in between is missed.
            let changed = lane.changed();
            match lane.step() {
                Step::Deliver(arrived) => {
                    let out = Box::new(Out::new(Arc::clone(lane), route.clone(), *arrived));
                    if !out.was_handled() {
                        return Ok(out);
                    }
                    // A duplicate ends here.
                    out.settle(Disposition::Done).await?;
                }
                Step::Fail(error) => return Err(error.into()),
                Step::Wait => changed.await,
            }
        }
    }

    /// Counts what the broker has ready or pausing and what this process holds. What other hosts
    /// hold unsettled, at most a prefetch each, the broker does not tell.
    async fn depth(&self, queue: &str) -> Result<u64, EventError> {
        let Opened { lane, route } = self.queue(queue)?;
        Ok(self.core.depth(&route.queue, lane).await?)
    }

    async fn dead_letter_count(&self, queue: &str) -> Result<u64, EventError> {
        let queue = &self.queue(queue)?.route.queue;
        Ok(self.core.dead_count(queue).await?)
    }

    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, EventError> {
        let queue = &self.queue(queue)?.route.queue;
        self.topology.ensure().await?;
        Ok(dead::list(&self.core, queue, limit).await?)
    }

    async fn replay(&self, queue: &str, event_id: &str) -> Result<bool, EventError> {
        let queue = &self.queue(queue)?.route.queue;
        self.topology.ensure().await?;
        Ok(dead::find(&self.core, queue, event_id, Then::Replay).await?)
    }

    async fn discard(&self, queue: &str, event_id: &str) -> Result<bool, EventError> {
        let queue = &self.queue(queue)?.route.queue;
        self.topology.ensure().await?;
        Ok(dead::find(&self.core, queue, event_id, Then::Discard).await?)
    }
}
