//! One connection: two pumps, and what stops them.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{oneshot, watch},
};

use crate::{
    fault::{End, Fault, State},
    trap::{Cut, Place},
};

/// Read at once. Small, so that a delay is felt by large transfers too.
const PIECE_BYTES: usize = 16 * 1024;

/// Carries bytes between the two until a side is done or a fault ends it.
pub(crate) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    mut state: watch::Receiver<State>,
    place: &Place,
) {
    let born = state.borrow().epoch;
    let broken = Broken::default();
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = requests(from_client, to_server, state.clone(), place, &broken);
        let replies = replies(from_server, to_client, state.clone(), &broken);
        let both = async {
            tokio::select! {
                // A side that only stops sending goes on being answered.
                (one, two) = async { tokio::join!(requests, replies) } => {
                    if one.is_err() || two.is_err() { End::Reset } else { End::Close }
                }
                () = broken.wait() => End::Reset,
            }
        };
        tokio::select! {
            end = both => end,
            told = state.wait_for(|state| state.epoch != born) => told.map_or(End::Reset, |told| told.end),
        }
    };
    if end == End::Reset {
        // With no linger time, closing sends RST.
        drop(client.set_zero_linger());
        drop(server.set_zero_linger());
    }
    drop((client, server));
    broken.tell();
}

/// A trap that was sprung on this connection.
#[derive(Default)]
struct Broken {
    /// The next reply is lost.
    armed: AtomicBool,
    now: tokio::sync::Notify,
    sprung: Mutex<Option<oneshot::Sender<()>>>,
}

impl Broken {
    async fn wait(&self) {
        self.now.notified().await;
    }

    fn remember(&self, sprung: oneshot::Sender<()>) {
        *self.sprung.lock().unwrap_or_else(PoisonError::into_inner) = Some(sprung);
    }

    /// The connection is gone now.
    fn tell(&self) {
        let sprung = self.sprung.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sprung) = sprung {
            sprung.send(()).ok();
        }
    }
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut state: watch::Receiver<State>,
    place: &Place,
    broken: &Broken,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut seen = Vec::new();
    loop {
        let read = from.read(&mut piece).await?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        pass(&mut state, |fault| fault == Fault::HoldAll).await;
        if let Some(set) = place.spring(&mut seen, bytes) {
            broken.remember(set.sprung);
            if set.cut == Cut::BeforeRequest {
                broken.now.notify_one();
                return Ok(());
            }
            // Before the bytes leave: the reply can be there before this task runs again.
            broken.armed.store(true, Ordering::SeqCst);
        }
        to.write_all(bytes).await?;
    }
}

async fn replies(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut state: watch::Receiver<State>,
    broken: &Broken,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).await?;
        let bytes = piece.get(..read).unwrap_or_default();
        if broken.armed.load(Ordering::SeqCst) {
            broken.now.notify_one();
            return Ok(());
        }
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        pass(&mut state, |fault| matches!(fault, Fault::HoldAll | Fault::HoldReplies)).await;
        to.write_all(bytes).await?;
    }
}

/// Waits as the fault says. A change of fault ends a hold, and a delay at its own time.
async fn pass(state: &mut watch::Receiver<State>, holds: impl Fn(Fault) -> bool) {
    let fault = state.borrow().fault;
    if let Fault::Delay(time) = fault {
        tokio::time::sleep(time).await;
    }
    // An error means that the proxy is gone, which ends the connection elsewhere.
    drop(state.wait_for(|state| !holds(state.fault)).await);
}
