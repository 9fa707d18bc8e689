//! The proxy as a test sees it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    connection,
    fault::{End, Fault, State},
    trap::{Cut, Place, Trap},
};

/// A proxy in front of one server. Dropping it closes its connections and frees its port.
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    open: watch::Receiver<usize>,
    accepted: Arc<AtomicU64>,
    place: Arc<Place>,
    listening: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a loopback port of its own, in front of `target` (`host:port`), which need not be
    /// there yet.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(target: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (state, watching) =
            watch::channel(State { fault: Fault::None, epoch: 0, end: End::Close });
        let (count, open) = watch::channel(0);
        let accepted = Arc::new(AtomicU64::new(0));
        let place = Arc::new(Place::default());
        let front = Front {
            listener,
            target: target.into().into(),
            state: watching,
            count,
            accepted: Arc::clone(&accepted),
            place: Arc::clone(&place),
        };
        let listening = tokio::spawn(front.run());
        Ok(Self { address, state, open, accepted, place, listening })
    }

    /// Where to connect instead of to the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies a fault to open and new connections, in place of the one before.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// As if nothing had been: held bytes flow, new connections are taken.
    pub fn mend(&self) {
        self.set(Fault::None);
    }

    /// Closes all open connections (FIN).
    pub fn cut(&self) {
        self.end(End::Close);
    }

    /// Resets all open connections (RST).
    pub fn reset(&self) {
        self.end(End::Reset);
    }

    /// The server goes away: open connections are reset, new ones refused.
    pub fn take_away(&self) {
        self.set(Fault::Refuse);
        self.reset();
    }

    /// Sets a trap for the next request that holds these bytes, in place of the trap before.
    pub fn trap(&self, needle: impl Into<Vec<u8>>, cut: Cut) -> Trap {
        self.place.set(needle.into(), cut)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Resolves when this many connections or fewer are open.
    pub async fn until_open_at_most(&self, limit: usize) {
        drop(self.open.clone().wait_for(|open| *open <= limit).await);
    }

    /// How many connections were ever accepted, refused ones included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn end(&self, end: End) {
        self.state.send_modify(|state| {
            state.epoch += 1;
            state.end = end;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The listening side, in a task of its own; its connections end with it.
struct Front {
    listener: TcpListener,
    target: Arc<str>,
    state: watch::Receiver<State>,
    count: watch::Sender<usize>,
    accepted: Arc<AtomicU64>,
    place: Arc<Place>,
}

impl Front {
    async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                client = self.listener.accept() => {
                    let Ok((client, _)) = client else { continue };
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    if self.state.borrow().fault == Fault::Refuse {
                        drop(client.set_zero_linger());
                        continue;
                    }
                    self.count.send_modify(|count| *count += 1);
                    connections.spawn(serve(
                        client,
                        Arc::clone(&self.target),
                        self.state.clone(),
                        Arc::clone(&self.place),
                    ));
                }
                Some(_) = connections.join_next() => self.count.send_modify(|count| *count -= 1),
            }
        }
    }
}

async fn serve(
    client: TcpStream,
    target: Arc<str>,
    state: watch::Receiver<State>,
    place: Arc<Place>,
) {
    drop(client.set_nodelay(true));
    match TcpStream::connect(&*target).await {
        Ok(server) => {
            drop(server.set_nodelay(true));
            connection::carry(client, server, state, &place).await;
        }
        Err(_) => drop(client.set_zero_linger()),
    }
}
