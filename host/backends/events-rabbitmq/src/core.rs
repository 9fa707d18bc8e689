//! One tenant's way to the broker: what its declarations share.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use pingtalk_capabilities::events::Event;

use crate::{
    error::Error,
    lane::{Lane, Route, Source},
    link::Link,
    memory::Memory,
    message,
    names::Declared,
    publisher::{Parcel, Publisher},
    topology::{Desk, Topology},
};

pub(crate) struct Core {
    /// For publishing and declaring.
    pub(crate) sending: Arc<Link>,
    /// For consuming.
    receiving: Arc<Link>,
    /// For events from the outbox.
    publisher: Publisher,
    /// For events that change their queue, so that they don't wait behind a large batch.
    pub(crate) mover: Arc<Publisher>,
    /// Held while dead letters are looked at.
    pub(crate) looking: tokio::sync::Mutex<()>,
    prefetch: u16,
    /// Events that were confirmed: the relay publishes again what it could not mark.
    confirmed: Memory,
    /// Each queue's lane while somebody holds it, so that releases that overlap share one consumer.
    lanes: Mutex<HashMap<String, Weak<Lane>>>,
}

impl Core {
    pub(crate) fn new(sending: Arc<Link>, receiving: Arc<Link>, prefetch: u16) -> Self {
        Self {
            publisher: Publisher::new(Arc::clone(&sending)),
            mover: Arc::new(Publisher::new(Arc::clone(&sending))),
            looking: tokio::sync::Mutex::default(),
            sending,
            receiving,
            prefetch,
            confirmed: Memory::new(),
            lanes: Mutex::default(),
        }
    }

    /// The lane of a queue, made if nobody holds one.
    pub(crate) fn lane(&self, route: Route) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&route.queue.name).and_then(Weak::upgrade) {
            return lane;
        }
        let name = route.queue.name.clone();
        let lane = Arc::new(Lane::new(Source {
            route,
            receiving: Arc::clone(&self.receiving),
            prefetch: self.prefetch,
            handled: Memory::new(),
        }));
        lanes.insert(name, Arc::downgrade(&lane));
        lane
    }

    /// Publishes events in order and waits until the broker has them.
    pub(crate) async fn publish(
        &self,
        topology: &Topology,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let mut batch = HashSet::with_capacity(events.len());
        let (mut ids, mut parcels) = (Vec::new(), Vec::new());
        for event in events {
            if self.confirmed.knows(&event.id) || !batch.insert(event.id.clone()) {
                continue;
            }
            parcels.push(Parcel {
                exchange: topology.exchange.clone(),
                // A topic that nobody declared has no consumer, and need not reach anybody.
                mandatory: topology.wants(&event.topic),
                properties: message::fresh(&event),
                key: event.topic,
                payload: event.payload,
            });
            ids.push(event.id);
        }
        if parcels.is_empty() {
            return Ok(());
        }
        topology.ensure().await?;
        let returned = self.publisher.publish(&parcels).await?;
        for id in ids.iter().filter(|id| !returned.contains(id)) {
            self.confirmed.mark(id);
        }
        if returned.is_empty() {
            return Ok(());
        }
        topology.forget();
        Err(Error::away(format!("{} events found no queue, which was deleted", returned.len())))
    }

    /// Events in a queue, those that pause and those held here included.
    pub(crate) async fn depth(&self, queue: &Declared, lane: &Lane) -> Result<u64, Error> {
        let mut desk = Desk::new(&self.sending);
        let mut depth = match lane.depth().await {
            Some(depth) => depth,
            None => desk.ready(&queue.queue).await?.unwrap_or(0),
        };
        for pause in queue.pauses() {
            depth += desk.ready(&queue.pausing(pause)).await?.unwrap_or(0);
        }
        Ok(depth)
    }

    /// Dead letters of a queue. While somebody looks at them the broker counts fewer.
    pub(crate) async fn dead_count(&self, queue: &Declared) -> Result<u64, Error> {
        Ok(Desk::new(&self.sending).ready(&queue.dead()).await?.unwrap_or(0))
    }
}
