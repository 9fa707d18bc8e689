//! Exchange, queues and bindings: made once a connection, never changed.
//!
//! What exists is used as it is, whoever made it: a queue that the original declared is a classic
//! queue without arguments, and declaring it with ours would be refused. What does not exist is
//! made our way: replicated (quorum), and with a way out for what a consumer gives up. Bindings are
//! always ensured; a binding that is declared no more is not removed, because the broker does not
//! tell who else wants it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};
use pingtalk_capabilities::{TenantId, events::Queue};
use tokio::sync::Mutex;

use crate::{
    error::{Error, NOT_FOUND, code},
    link::Link,
    names::{self, Declared},
};

/// A bound on redeliveries that is none: we count ourselves and keep what we give up, while
/// RabbitMQ 4 would by default drop a message into the dead letters at its 20th return without a reason,
/// and the ways to say "no bound" differ between its versions.
const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// How long a lock that nobody gave back lasts, in milliseconds: longer than anybody may hold it.
const LOCK_MS: i64 = 120_000;

/// The queues of one declaration.
pub(crate) struct Topology {
    link: Arc<Link>,
    pub(crate) exchange: String,
    plain: bool,
    queues: HashMap<String, Arc<Declared>>,
    topics: HashSet<String>,
    /// The connection for which all of it was declared; 0 for none.
    declared: AtomicU64,
    declaring: Mutex<()>,
    /// Retry queues that were seen, with the connection for which.
    pausing: StdMutex<HashMap<String, u64>>,
}

impl Topology {
    /// Checks a declaration. Nothing is made yet.
    pub(crate) fn new(
        link: Arc<Link>,
        tenant: &TenantId,
        queues: &[Queue],
        plain: bool,
    ) -> Result<Self, Error> {
        let mut named = HashMap::new();
        for queue in queues {
            let declared = Arc::new(Declared::new(tenant, queue)?);
            if named.insert(queue.name.clone(), declared).is_some() {
                return Err(Error::Invalid(format!("the queue {} is declared twice", queue.name)));
            }
        }
        let topics = queues.iter().flat_map(|queue| queue.topics.iter().cloned()).collect();
        Ok(Self {
            link,
            exchange: names::exchange(tenant),
            plain,
            queues: named,
            topics,
            declared: AtomicU64::new(0),
            declaring: Mutex::default(),
            pausing: StdMutex::default(),
        })
    }

    pub(crate) fn queue(&self, name: &str) -> Result<Arc<Declared>, Error> {
        let found = self.queues.get(name).map(Arc::clone);
        found.ok_or_else(|| Error::Invalid(format!("the queue {name} is not declared")))
    }

    /// Whether a queue of ours wants this topic.
    pub(crate) fn wants(&self, topic: &str) -> bool {
        self.topics.contains(topic)
    }

    /// Declares everything unless that was done on this connection.
    pub(crate) async fn ensure(&self) -> Result<(), Error> {
        let generation = self.link.up().await?.generation;
        if self.declared.load(Ordering::Acquire) == generation {
            return Ok(());
        }
        // Limited in time by the calls within.
        let _one_at_a_time = self.declaring.lock().await;
        if self.declared.load(Ordering::Acquire) == generation {
            return Ok(());
        }
        let mut desk = Desk::new(&self.link);
        desk.exchange(&self.exchange).await?;
        for queue in self.queues.values() {
            // First the way out, so that nothing can fall out of the queue before it is there.
            desk.queue(&queue.dead(), dead_arguments).await?;
            let arguments =
                || if self.plain { FieldTable::default() } else { waiting_arguments(queue) };
            desk.queue(&queue.queue, arguments).await?;
            for topic in &queue.topics {
                desk.bind(&queue.queue, &self.exchange, topic).await?;
            }
        }
        self.declared.store(generation, Ordering::Release);
        Ok(())
    }

    /// Something that should be there was not: declare it all again.
    pub(crate) fn forget(&self) {
        self.declared.store(0, Ordering::Release);
        self.pausing.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The queue in which events wait for this many milliseconds, made when it is first needed.
    pub(crate) async fn pausing(&self, queue: &Declared, pause: u32) -> Result<String, Error> {
        let name = queue.pausing(pause);
        let generation = self.link.up().await?.generation;
        let known = |name: &str| {
            let known = self.pausing.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(name) == Some(&generation)
        };
        if !known(&name) {
            let arguments = || pausing_arguments(queue, pause);
            Desk::new(&self.link).queue(&name, arguments).await?;
            let mut known = self.pausing.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.clone(), generation);
        }
        Ok(name)
    }
}

/// New queues are replicated; what another consumer rejects goes to the dead letters.
fn waiting_arguments(queue: &Declared) -> FieldTable {
    arguments(&[
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&queue.dead())),
    ])
}

/// Of a queue that nobody keeps, to try whether such queues can be made.
pub(crate) fn trial_arguments() -> FieldTable {
    arguments(&[
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
        ("x-message-ttl", AMQPValue::LongLongInt(LOCK_MS)),
    ])
}

/// A queue that nobody consumes: after its time, everything goes back where it came from, and leaves
/// only when it has arrived there.
fn pausing_arguments(queue: &Declared, pause: u32) -> FieldTable {
    arguments(&[
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", AMQPValue::LongLongInt(i64::from(pause))),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&queue.queue)),
        ("x-dead-letter-strategy", text("at-least-once")),
        // What the strategy asks for.
        ("x-overflow", text("reject-publish")),
    ])
}

/// Dead letters are looked at over and over. A classic queue takes back what was looked at in its old
/// place and counts nothing; a quorum queue counts each look as a failed delivery, and RabbitMQ 4
/// drops a message after the 20th. The price: the queue is on one node's disk.
fn dead_arguments() -> FieldTable {
    arguments(&[("x-queue-type", text("classic"))])
}

fn arguments(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// The lock goes by itself if its holder lives on but has forgotten it.
fn lock_arguments() -> FieldTable {
    arguments(&[("x-expires", AMQPValue::LongLongInt(LOCK_MS))])
}

/// A channel for declaring and looking, opened again when an error closed it: to the broker,
/// asking for a queue that is not there is an error.
pub(crate) struct Desk<'a> {
    link: &'a Link,
    channel: Option<Channel>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(link: &'a Link) -> Self {
        Self { link, channel: None }
    }

    pub(crate) async fn channel(&mut self) -> Result<Channel, Error> {
        match &self.channel {
            Some(channel) if channel.status().connected() => Ok(channel.clone()),
            _ => {
                let channel = self.link.channel().await?;
                self.channel = Some(channel.clone());
                Ok(channel)
            }
        }
    }

    /// Waits for a call that may be refused: the answer, or the broker's code.
    async fn tried<T>(
        &mut self,
        call: impl Future<Output = lapin::Result<T>>,
    ) -> Result<Result<T, (u16, Error)>, Error> {
        match self.link.answer(call).await? {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) => {
                self.channel = None;
                match code(&error) {
                    Some(code) => Ok(Err((code, error.into()))),
                    None => Err(error.into()),
                }
            }
        }
    }

    /// Messages of a queue that are ready to be delivered; none when there is no such queue.
    pub(crate) async fn ready(&mut self, queue: &str) -> Result<Option<u64>, Error> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions::durable().passive();
        let call = channel.queue_declare(queue.into(), options, FieldTable::default());
        match self.tried(call).await? {
            Ok(found) => Ok(Some(found.message_count().into())),
            Err((NOT_FOUND, _)) => Ok(None),
            Err((_, error)) => Err(error),
        }
    }

    /// Makes a queue unless there is one of this name.
    async fn queue(
        &mut self,
        queue: &str,
        arguments: impl FnOnce() -> FieldTable,
    ) -> Result<(), Error> {
        if self.ready(queue).await?.is_some() {
            return Ok(());
        }
        let channel = self.channel().await?;
        let options = QueueDeclareOptions::durable();
        let call = channel.queue_declare(queue.into(), options, arguments());
        self.tried(call).await?.map_err(|(_, error)| error)?;
        Ok(())
    }

    /// Makes the exchange unless there is one of this name.
    async fn exchange(&mut self, exchange: &str) -> Result<(), Error> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let looking = ExchangeDeclareOptions { passive: true, ..options };
        for options in [looking, options] {
            let channel = self.channel().await?;
            let arguments = FieldTable::default();
            let call =
                channel.exchange_declare(exchange.into(), ExchangeKind::Topic, options, arguments);
            match self.tried(call).await? {
                Ok(()) => return Ok(()),
                Err((NOT_FOUND, _)) if options.passive => {}
                Err((_, error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn bind(&mut self, queue: &str, exchange: &str, topic: &str) -> Result<(), Error> {
        let channel = self.channel().await?;
        let (queue, exchange, topic) = (queue.into(), exchange.into(), topic.into());
        let options = QueueBindOptions::default();
        let call = channel.queue_bind(queue, exchange, topic, options, FieldTable::default());
        self.tried(call).await?.map_err(|(_, error)| error)?;
        Ok(())
    }

    /// Takes a name that one connection has at a time, for as long as that lives or until
    /// [`Self::unlock`]. False when another has it.
    pub(crate) async fn lock(&mut self, name: &str) -> Result<bool, Error> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions::exclusive();
        let call = channel.queue_declare(name.into(), options, lock_arguments());
        match self.tried(call).await? {
            Ok(_) => Ok(true),
            Err((crate::error::RESOURCE_LOCKED, _)) => Ok(false),
            Err((_, error)) => Err(error),
        }
    }

    pub(crate) async fn unlock(&mut self, name: &str) -> Result<(), Error> {
        let channel = self.channel().await?;
        let call = channel.queue_delete(name.into(), Default::default());
        self.tried(call).await?.map_err(|(_, error)| error)?;
        Ok(())
    }
}
