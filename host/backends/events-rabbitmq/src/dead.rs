//! Looking at dead letters, replaying and discarding them.
//!
//! AMQP has no way to look at a message but to take it. So whoever looks takes from the front, and gives
//! back what it took, which a classic queue puts in its old place. Nobody else may look
//! meanwhile, in this process or another, or would miss what is taken: an exclusive queue serves as
//! the lock, because the broker frees it when its holder dies. Dying halfway gives everything back.

use std::time::Duration;

use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
};
use pingtalk_capabilities::events::DeadLetter;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    core::Core,
    error::Error,
    message::{Message, Note},
    names::Declared,
    publisher::Parcel,
    topology::Desk,
};

/// Most dead letters returned at once.
const MAX_LISTED: usize = 1_000;
/// How long to try for the lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one search may take: some hundred thousand letters.
const LONGEST: Duration = Duration::from_secs(60);

/// What to do with the dead letter that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Replay,
    Discard,
}

/// The oldest dead letters.
pub(crate) async fn list(
    core: &Core,
    queue: &Declared,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    alone(core, queue, async |channel| {
        let mut letters = Vec::new();
        while letters.len() < limit.min(MAX_LISTED) {
            let Some(taken) = take(core, channel, queue).await? else { break };
            letters.push(read(taken).dead(&queue.name));
        }
        Ok(letters)
    })
    .await
}

/// Finds a dead letter, from the oldest on, and does that with it. False when there is none.
pub(crate) async fn find(
    core: &Core,
    queue: &Declared,
    id: &str,
    then: Then,
) -> Result<bool, Error> {
    alone(core, queue, async |channel| {
        while let Some(taken) = take(core, channel, queue).await? {
            let acker = taken.delivery.acker.clone();
            let message = read(taken);
            if message.event.id != id {
                continue;
            }
            if then == Then::Replay {
                let parcel = Parcel {
                    exchange: String::new(),
                    key: queue.queue.clone(),
                    mandatory: true,
                    properties: message.moved(&Note::default()),
                    payload: message.event.payload.clone(),
                };
                core.mover.deliver(parcel).await?;
            }
            // Dying here leaves it in both queues.
            core.sending.bounded(acker.ack(BasicAckOptions::default())).await?;
            return Ok(true);
        }
        Ok(false)
    })
    .await
}

async fn take(
    core: &Core,
    channel: &Channel,
    queue: &Declared,
) -> Result<Option<BasicGetMessage>, Error> {
    let dead = queue.dead();
    let call = channel.basic_get(dead.as_str().into(), BasicGetOptions { no_ack: false });
    core.sending.bounded(call).await
}

fn read(taken: BasicGetMessage) -> Message {
    let delivery = taken.delivery;
    Message::read(delivery.routing_key.as_str(), &delivery.properties, delivery.data)
}

/// Runs `look` on a channel while nobody else looks at these dead letters, then gives back what it
/// took and did not acknowledge.
async fn alone<T>(
    core: &Core,
    queue: &Declared,
    look: impl AsyncFnOnce(&Channel) -> Result<T, Error>,
) -> Result<T, Error> {
    // The lock is a connection's; within it, one at a time. Limited in time by what is below.
    let _one_at_a_time = core.looking.lock().await;
    let mut desk = Desk::new(&core.sending);
    let lock = queue.lock();
    let since = Instant::now();
    while !desk.lock(&lock).await? {
        if since.elapsed() > PATIENCE {
            return Err(Error::away("another process is looking at these dead letters"));
        }
        // The broker has no way to wait for a lock.
        sleep(PAUSE).await;
    }
    let result = match core.sending.channel().await {
        Ok(channel) => {
            let looked = timeout(LONGEST, look(&channel)).await;
            let given_back = give_back(core, &channel, queue).await;
            let looked = looked.unwrap_or_else(|_| Err(Error::too_slow(LONGEST)));
            looked.and_then(|found| given_back.map(|()| found))
        }
        Err(error) => Err(error),
    };
    // If this fails, the connection is gone, and so is the lock.
    drop(desk.unlock(&lock).await);
    result
}

/// Returns what a channel has taken, and waits until it is back.
async fn give_back(core: &Core, channel: &Channel, queue: &Declared) -> Result<(), Error> {
    let all = BasicNackOptions { multiple: true, requeue: true };
    core.sending.bounded(channel.basic_nack(0, all)).await?;
    // Answered after the return is carried out, since the channel does one thing after the other.
    let dead = queue.dead();
    let options = lapin::options::QueueDeclareOptions::durable().passive();
    core.sending
        .bounded(channel.queue_declare(dead.as_str().into(), options, Default::default()))
        .await?;
    core.sending.bounded(channel.close(200, "done".into())).await
}
