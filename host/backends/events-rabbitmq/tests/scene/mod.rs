//! A tenant of its own at the test broker, seen by us and by a neighbour who uses plain AMQP.
#![allow(dead_code, unreachable_pub)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    message::BasicGetMessage,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use pingtalk_capabilities::{
    TenantId,
    events::{Delivery, Disposition, Event, EventError, Events, Queue, Retry},
};
use pingtalk_contract::servers;
use pingtalk_events_rabbitmq::{Config, RabbitEvents};
use tokio::time::{sleep, timeout};

pub const PATIENCE: Duration = Duration::from_secs(15);

pub fn queue() -> Queue {
    let retry = Retry {
        attempts: 3,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(150),
    };
    Queue { name: "q".to_owned(), topics: vec!["t".to_owned()], retry }
}

pub fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        topic: "t".to_owned(),
        payload: Bytes::from(format!("{{\"of\":\"{id}\"}}")),
        attempt: 0,
        published_at: 1_700_000_000_123,
    }
}

pub fn config() -> Config {
    Config::new(servers::rabbitmq())
}

/// The broker behind another address.
pub fn config_at(address: impl std::fmt::Display) -> Config {
    let url = servers::rabbitmq();
    let (before, rest) = url.split_once('@').expect("a URL with a user");
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    Config::new(format!("{before}@{address}/{path}"))
}

/// Where the broker is.
pub fn address() -> String {
    let url = servers::rabbitmq();
    let (_, rest) = url.split_once('@').expect("a URL with a user");
    rest.split_once('/').map_or(rest, |(address, _)| address).to_owned()
}

pub async fn open(config: Config, tenant: &TenantId) -> Arc<dyn Events> {
    RabbitEvents::new(config).open(tenant, &[queue()]).await.unwrap()
}

/// The next delivery, also from a broker that is coming back.
pub async fn next(events: &Arc<dyn Events>) -> Box<dyn Delivery> {
    until_ok(async || events.next("q").await).await
}

pub async fn take(events: &Arc<dyn Events>) -> Event {
    let delivery = next(events).await;
    let event = delivery.event().clone();
    delivery.settle(Disposition::Done).await.unwrap();
    event
}

pub async fn nothing(events: &Arc<dyn Events>) {
    let found = timeout(Duration::from_millis(500), events.next("q")).await;
    assert!(found.is_err(), "{:?}", found.map(|found| found.map(|it| it.event().clone())));
}

/// Tries again while the broker is away, as the relay and the dispatcher do.
pub async fn until_ok<T>(call: impl AsyncFn() -> Result<T, EventError>) -> T {
    let trying = async {
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(EventError::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, trying).await.expect("the broker in time")
}

/// Fails as unavailable, within a time.
pub async fn unavailable<T>(
    within: Duration,
    call: impl Future<Output = Result<T, EventError>>,
) -> String {
    match timeout(within, call).await.expect("an answer in time") {
        Err(EventError::Unavailable(reason)) => reason,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it worked"),
    }
}

/// A service that knows nothing of us.
pub struct Neighbour {
    _connection: Connection,
    pub channel: Channel,
    pub exchange: String,
    pub queue: String,
}

impl Neighbour {
    pub async fn new(tenant: &TenantId) -> Self {
        let url = servers::rabbitmq();
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self {
            _connection: connection,
            channel,
            exchange: format!("pingtalk/{tenant}/events.exchange"),
            queue: format!("pingtalk/{tenant}/q"),
        }
    }

    /// Declares a queue as the original does.
    pub async fn declare(&self) -> lapin::Result<()> {
        let (name, options) = (self.queue.as_str().into(), QueueDeclareOptions::durable());
        self.channel.queue_declare(name, options, FieldTable::default()).await.map(|_| ())
    }

    pub async fn declare_exchange(&self) {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let name = self.exchange.as_str().into();
        let arguments = FieldTable::default();
        self.channel.exchange_declare(name, ExchangeKind::Topic, options, arguments).await.unwrap();
    }

    pub async fn publish(&self, key: &str, payload: &[u8], properties: BasicProperties) {
        let exchange = self.exchange.as_str().into();
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish(exchange, key.into(), options, payload, properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }

    pub async fn get(&self) -> Option<BasicGetMessage> {
        let options = BasicGetOptions { no_ack: false };
        self.channel.basic_get(self.queue.as_str().into(), options).await.unwrap()
    }

    /// Leaves the broker as it was.
    pub async fn clean_up(&self) {
        let fresh = self._connection.create_channel().await.unwrap();
        for suffix in ["", ".dead", ".dead.lock", ".retry.100", ".retry.150"] {
            let name = format!("{}{suffix}", self.queue);
            fresh.queue_delete(name.as_str().into(), Default::default()).await.unwrap();
        }
        let exchange = self.exchange.as_str().into();
        fresh.exchange_delete(exchange, Default::default()).await.unwrap();
    }
}
