//! One client's connection, from the server's side: what waits to be sent, and how it ends.
//!
//! Messages wait here and only a window of them in the library below, whose queue can be counted
//! in packets only and drops one when a long polling queue meets an upgrade.

use std::{
    collections::VecDeque,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Context,
    time::Duration,
};

use engineioxide::{DisconnectReason, Socket, TransportType, socket::Sid};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Opening, Outgoing, Permit, bridge::Slot, flow::Valve};

/// Packets in the library's hands at a time.
pub(super) const WINDOW_PACKETS: usize = 64;
/// Packets in one answer to a poll, heartbeat aside: python-engineio refuses more than 16
/// (`max_decode_packets`), whoever sends them.
const POLL_PACKETS: usize = 15;
/// Bytes in the library's hands at a time, unless a single message is longer.
const WINDOW_BYTES: usize = 256 * 1024;
/// How long a client may take to fetch what it is owed before its connection closes.
const LAST_FETCH: Duration = Duration::from_secs(3);
/// How often, and how far apart, a poll looks whether an upgrade has ended.
const UPGRADE_LOOKS: u32 = 10;
const UPGRADE_STEP: Duration = Duration::from_millis(3);
/// How often, and how far apart, a POST looks whether its client polls.
const POLL_LOOKS: u32 = 5;
const POLL_STEP: Duration = Duration::from_millis(1);

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// Too much waits already: the client reads too slowly.
    Full,
    /// The connection is gone.
    Closed,
}

/// Bounds of one link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) queue_packets: usize,
    pub(super) queue_bytes: usize,
    /// Bytes a poll's answer may hold.
    pub(super) max_payload: usize,
}

/// One client's connection.
pub struct Link {
    opening: Opening,
    bounds: Bounds,
    engine: OnceLock<Weak<Socket<Slot>>>,
    queue: Mutex<Queue>,
    emptied: Notify,
    valve: Valve,
    given_up: AtomicBool,
    writer: AtomicWaker,
    /// A WebSocket has been opened for this session.
    pub(super) upgraded: AtomicBool,
    /// Polls being answered.
    pub(super) polls: AtomicUsize,
    /// A POST is being read.
    pub(super) posting: AtomicBool,
    _permit: Option<Permit>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Outgoing>,
    waiting_packets: usize,
    waiting_bytes: usize,
    /// The length of each packet in the library's hands, oldest first.
    handed_over: VecDeque<usize>,
    handed_over_bytes: usize,
    started: bool,
    closed: bool,
}

impl Queue {
    fn packets(&self) -> usize {
        self.waiting_packets + self.handed_over.len()
    }

    fn bytes(&self) -> usize {
        self.waiting_bytes + self.handed_over_bytes
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("opening", &self.opening).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(opening: Opening, bounds: Bounds, permit: Option<Permit>) -> Self {
        Self {
            opening,
            bounds,
            engine: OnceLock::new(),
            queue: Mutex::default(),
            emptied: Notify::new(),
            valve: Valve::default(),
            given_up: AtomicBool::new(false),
            writer: AtomicWaker::new(),
            upgraded: AtomicBool::new(false),
            polls: AtomicUsize::new(0),
            posting: AtomicBool::new(false),
            _permit: permit,
        }
    }

    pub(super) fn attach(&self, engine: &Arc<Socket<Slot>>) {
        // Only the bridge attaches, once.
        let _ = self.engine.set(Arc::downgrade(engine));
    }

    /// The session's secret id.
    pub(super) fn sid(&self) -> Option<Sid> {
        Some(self.engine()?.id)
    }

    /// Waits a moment for a poll. A client that closes sends its last poll and its close packet
    /// at once, over two connections; the poll is to be answered, not to find the session gone.
    pub(super) async fn poll_arrived(&self) {
        for _ in 0..POLL_LOOKS {
            if self.polls.load(Ordering::Acquire) > 0 {
                return;
            }
            sleep(POLL_STEP).await;
        }
    }

    /// Waits a moment for an upgrade under way. A poll can overtake the packet that ends the
    /// upgrade, and is to be refused after it rather than answered during it.
    pub(super) async fn upgrade_settled(&self) {
        for _ in 0..UPGRADE_LOOKS {
            let under_way = self.upgraded.load(Ordering::Acquire)
                && self.engine().is_some_and(|e| e.transport_type() == TransportType::Polling);
            if !under_way {
                return;
            }
            sleep(UPGRADE_STEP).await;
        }
    }

    /// The session is ready: what was sent so far may go out.
    pub(super) fn start(&self) {
        let Some(engine) = self.engine() else { return };
        let mut queue = self.queue.lock();
        queue.started = true;
        self.refill(&mut queue, &engine);
    }

    fn engine(&self) -> Option<Arc<Socket<Slot>>> {
        self.engine.get()?.upgrade()
    }

    /// What the client sent when it connected.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Bytes that wait to be sent, those in the operating system's buffers left out.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.lock().bytes()
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`SendError::Full`] over the bounds, [`SendError::Closed`] when there is nobody to send to.
    pub fn send(&self, message: Outgoing) -> Result<(), SendError> {
        let engine = self.engine().ok_or(SendError::Closed)?;
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(SendError::Closed);
        }
        let (packets, bytes) = (message.packets(), message.bytes());
        let over = queue.packets() + packets > self.bounds.queue_packets
            || queue.bytes() + bytes > self.bounds.queue_bytes;
        // One message may be longer than the bound: it has to go out somehow.
        if over && queue.packets() > 0 {
            return Err(SendError::Full);
        }
        if queue.waiting.is_empty() && self.fits(&queue, &engine, &message) {
            return self.hand_over(&mut queue, &engine, message).map_or_else(
                |unsent| {
                    wait(&mut queue, unsent);
                    Ok(())
                },
                Ok,
            );
        }
        wait(&mut queue, message);
        Ok(())
    }

    /// Whether the library may have this message now.
    fn fits(&self, queue: &Queue, engine: &Socket<Slot>, message: &Outgoing) -> bool {
        if queue.handed_over.is_empty() {
            return queue.started;
        }
        if queue.handed_over.len() + message.packets() > WINDOW_PACKETS {
            return false;
        }
        match engine.transport_type() {
            TransportType::Websocket => queue.handed_over_bytes < WINDOW_BYTES,
            // All of it has to fit into one answer, base64 (4/3) and separators included.
            TransportType::Polling => {
                queue.handed_over.len() + message.packets() <= POLL_PACKETS
                    && queue.handed_over_bytes + message.bytes() <= self.bounds.max_payload / 2
            }
        }
    }

    /// Gives a message to the library, or back.
    fn hand_over(
        &self,
        queue: &mut Queue,
        engine: &Socket<Slot>,
        message: Outgoing,
    ) -> Result<(), Outgoing> {
        let Ok(place) = engine.reserve() else { return Err(message) };
        queue.handed_over_bytes += message.bytes();
        match message {
            Outgoing::Text(text) => {
                queue.handed_over.push_back(text.len());
                place.emit(text.into_inner());
            }
            Outgoing::Binary(bytes) => {
                queue.handed_over.push_back(bytes.len());
                place.emit_binary(bytes);
            }
            Outgoing::Compound(text, attachments) => {
                queue.handed_over.push_back(text.len());
                queue.handed_over.extend(attachments.iter().map(bytes::Bytes::len));
                place.emit_many(text.into_inner(), attachments.iter().cloned().collect());
            }
        }
        Ok(())
    }

    /// This many packets have left; more may follow.
    pub(super) fn written(&self, packets: usize) {
        let engine = self.engine();
        let mut queue = self.queue.lock();
        for length in (0..packets).map_while(|_| queue.handed_over.pop_front()).collect::<Vec<_>>()
        {
            queue.handed_over_bytes -= length;
        }
        if let Some(engine) = engine {
            self.refill(&mut queue, &engine);
        }
        if queue.packets() == 0 {
            self.emptied.notify_waiters();
        }
    }

    fn refill(&self, queue: &mut Queue, engine: &Socket<Slot>) {
        while let Some(next) = queue.waiting.pop_front() {
            if self.fits(queue, engine, &next) {
                let (packets, bytes) = (next.packets(), next.bytes());
                match self.hand_over(queue, engine, next) {
                    Ok(()) => {
                        queue.waiting_packets -= packets;
                        queue.waiting_bytes -= bytes;
                    }
                    Err(unsent) => return queue.waiting.push_front(unsent),
                }
            } else {
                return queue.waiting.push_front(next);
            }
        }
    }

    /// Stops reading from the client. What it sent already may still arrive: up to one read
    /// buffer over a WebSocket, the rest of a payload over polling.
    pub fn pause(&self) {
        self.valve.close();
    }

    /// Reads on.
    pub fn resume(&self) {
        self.valve.open();
    }

    pub(super) fn valve(&self) -> &Valve {
        &self.valve
    }

    /// Closes after what is queued has been sent, within a few seconds.
    pub fn close(self: &Arc<Self>) {
        let waits = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            queue.packets() > 0
        };
        self.valve.open();
        if !waits {
            return self.end();
        }
        let link = Arc::clone(self);
        spawn(async move {
            // Not sent in time: the client has lost interest.
            let _ = timeout(LAST_FETCH, link.sent_all()).await;
            link.end();
        });
    }

    async fn sent_all(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.queue.lock().packets() == 0 || self.engine().is_none() {
                return;
            }
            emptied.await;
        }
    }

    /// Closes at once; what is queued is lost.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.writer.wake();
        self.lost();
    }

    pub(super) fn poll_given_up(&self, context: &mut Context<'_>) -> bool {
        if !self.given_up.load(Ordering::Acquire) {
            self.writer.register(context.waker());
        }
        self.given_up.load(Ordering::Acquire)
    }

    /// The stream below is gone, or its client broke the protocol: the session can't go on.
    pub(super) fn lost(&self) {
        self.end();
    }

    fn end(&self) {
        {
            let mut queue = self.queue.lock();
            queue.closed = true;
            queue.waiting.clear();
            (queue.waiting_packets, queue.waiting_bytes) = (0, 0);
        }
        self.emptied.notify_waiters();
        self.valve.open();
        // Closing spawns a task, which a runtime that is going down can't take.
        if let Some(engine) = self.engine()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            engine.close(DisconnectReason::ClosingServer);
        }
    }
}

fn wait(queue: &mut Queue, message: Outgoing) {
    queue.waiting_packets += message.packets();
    queue.waiting_bytes += message.bytes();
    queue.waiting.push_back(message);
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}
