//! Publishing with confirms: a call returns once the broker has everything on disk.
//!
//! Messages go out one after the other without waiting in between, and the confirms are awaited
//! together. One call has the channel to itself, because the driver hands a returned message to
//! whichever confirm comes next. A call that fails or is given up leaves the channel behind: late
//! confirms must not meet the next call.

use std::sync::Arc;

use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::Mutex;

use crate::{error::Error, link::Link};

/// Messages out unconfirmed: the relay's batch. With 256 KiB each, 64 MiB.
const WINDOW: usize = 256;

/// A message and where it goes.
pub(crate) struct Parcel {
    /// Empty for the default exchange, which leads to the queue named by the key.
    pub(crate) exchange: String,
    pub(crate) key: String,
    /// Whether there must be a queue for it.
    pub(crate) mandatory: bool,
    pub(crate) properties: BasicProperties,
    pub(crate) payload: Bytes,
}

pub(crate) struct Publisher {
    link: Arc<Link>,
    /// Held over a call, which is limited in time. Empty unless the last call ended well.
    channel: Mutex<Option<Channel>>,
}

impl Publisher {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, channel: Mutex::default() }
    }

    /// Publishes in order. Returns the ids of those for which there was no queue.
    pub(crate) async fn publish(&self, parcels: &[Parcel]) -> Result<Vec<String>, Error> {
        self.link.up().await?;
        self.link.answer(self.publish_all(parcels)).await?
    }

    async fn publish_all(&self, parcels: &[Parcel]) -> Result<Vec<String>, Error> {
        let mut slot = self.channel.lock().await;
        let channel = match slot.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => self.open().await?,
        };
        let mut returned = Vec::new();
        for window in parcels.chunks(WINDOW) {
            let mut confirms = Vec::with_capacity(window.len());
            for Parcel { exchange, key, mandatory, properties, payload } in window {
                let options = BasicPublishOptions { mandatory: *mandatory, immediate: false };
                let (exchange, key) = (exchange.as_str().into(), key.as_str().into());
                let sent =
                    channel.basic_publish(exchange, key, options, payload, properties.clone());
                confirms.push(sent.await?);
            }
            for confirm in confirms {
                match confirm.await? {
                    Confirmation::Ack(None) => {}
                    Confirmation::Ack(Some(message)) => {
                        let id = message.properties.message_id().clone();
                        returned.push(id.map(String::from).unwrap_or_default());
                    }
                    Confirmation::Nack(_) | Confirmation::NotRequested => {
                        return Err(Error::away("the broker could not keep a message"));
                    }
                }
            }
        }
        *slot = Some(channel);
        Ok(returned)
    }

    /// Publishes one message that must reach its queue.
    pub(crate) async fn deliver(&self, parcel: Parcel) -> Result<(), Error> {
        let parcel = Parcel { mandatory: true, ..parcel };
        if self.publish(std::slice::from_ref(&parcel)).await?.is_empty() {
            Ok(())
        } else {
            Err(Error::away(format!("the queue {} is gone", parcel.key)))
        }
    }

    async fn open(&self) -> Result<Channel, Error> {
        let channel = self.link.channel().await?;
        self.link.bounded(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }
}
