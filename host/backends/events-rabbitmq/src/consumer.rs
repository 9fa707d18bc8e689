//! The consumer of one queue: one channel with a bounded prefetch, opened again whenever it breaks.
//!
//! Between the broker and the lane it sorts out what came back so often without an answer that its
//! handling seems to end the host.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    delivery::{bury, put_back},
    error::Error,
    lane::{Shelf, Source},
    message::{Message, Note},
};

/// First pause before consuming again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Deliveries without an answer, by hosts that died or lost their connection with the event in hand,
/// after which it is a dead letter. Well above what restarts and a shaky network bring about.
const MAX_RETURNS: u32 = 20;

/// A depth was asked for.
pub(crate) type Ask = oneshot::Sender<u64>;

/// Says, when the task ends with its runtime, that nothing comes any more.
struct Ending(Arc<Shelf>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.down(Error::away("the consumer has stopped"));
    }
}

/// Consumes until it is aborted.
pub(crate) async fn run(source: Arc<Source>, shelf: Arc<Shelf>, mut asks: mpsc::Receiver<Ask>) {
    let _ending = Ending(Arc::clone(&shelf));
    let mut pause = FIRST_PAUSE;
    loop {
        let mut ran = false;
        let Err(error) = consume(&source, &shelf, &mut asks, &mut ran).await;
        if ran {
            pause = FIRST_PAUSE;
        }
        let queue = &source.route.queue.queue;
        tracing::debug!(%queue, ?error, "not consuming, will try again");
        // Whoever has asked for the depth learns from this that nobody will answer.
        shelf.down(error);
        while asks.try_recv().is_ok() {}
        source.receiving.changed(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Consumes until something breaks.
async fn consume(
    source: &Source,
    shelf: &Shelf,
    asks: &mut mpsc::Receiver<Ask>,
    ran: &mut bool,
) -> Result<Infallible, Error> {
    let link = &source.receiving;
    // A broker that is short of memory declares nothing, but what exists can be consumed.
    let declared = source.route.topology.ensure().await;
    let channel = link.channel().await?;
    link.bounded(channel.basic_qos(source.prefetch.max(1), BasicQosOptions::default())).await?;
    let queue = source.route.queue.queue.as_str();
    let options = BasicConsumeOptions::default();
    let call = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = match link.bounded(call).await {
        Ok(consumer) => consumer,
        Err(error) => {
            // It may have been deleted: look next time.
            source.route.topology.forget();
            return Err(declared.err().unwrap_or(error));
        }
    };
    shelf.running();
    *ran = true;
    loop {
        tokio::select! {
            delivery = consumer.next() => receive(source, shelf, delivery).await?,
            Some(ask) = asks.recv() => {
                let ready = count(source, shelf, &channel, &mut consumer).await?;
                // Whoever asked may be gone.
                ask.send(ready + shelf.held()).ok();
            }
        }
    }
}

/// Messages that are ready at the broker, once everything else it has sent has arrived here.
async fn count(
    source: &Source,
    shelf: &Shelf,
    channel: &Channel,
    consumer: &mut Consumer,
) -> Result<u64, Error> {
    let link = &source.receiving;
    let queue = source.route.queue.queue.as_str();
    let options = QueueDeclareOptions::durable().passive();
    let call = channel.queue_declare(queue.into(), options, FieldTable::default());
    let ready = link.bounded(call).await?.message_count();
    // What the queue had sent before it counted may follow that answer, but not this one.
    link.bounded(channel.basic_qos(source.prefetch.max(1), BasicQosOptions::default())).await?;
    while let Some(delivery) = consumer.next().now_or_never() {
        receive(source, shelf, delivery).await?;
    }
    Ok(u64::from(ready))
}

async fn receive(
    source: &Source,
    shelf: &Shelf,
    delivery: Option<lapin::Result<Delivery>>,
) -> Result<(), Error> {
    let Some(delivery) = delivery else {
        source.route.topology.forget();
        return Err(Error::away("the broker has ended the consumer"));
    };
    let Delivery { routing_key, redelivered, properties, data, acker, .. } = delivery?;
    let mut message = Message::read(routing_key.as_str(), &properties, data);
    let mut settled = false;
    if redelivered && !message.counted {
        // A classic queue does not count how often. Putting it back at the end does.
        message.returns = message.returns.saturating_add(1);
        if message.returns <= MAX_RETURNS {
            let note = Note {
                attempts: message.event.attempt.saturating_sub(1),
                returns: message.returns,
                ..Note::default()
            };
            settled = put_back(&source.route, &message, &note).await.is_ok();
        }
    }
    if !settled && message.returns > MAX_RETURNS {
        let reason = format!("came back {} times without an answer", message.returns);
        settled = bury(&source.route, &message, message.event.attempt, &reason).await.is_ok();
    }
    if settled {
        source.receiving.bounded(acker.ack(BasicAckOptions::default())).await?;
    } else {
        shelf.arrived(message, acker, redelivered);
    }
    Ok(())
}
