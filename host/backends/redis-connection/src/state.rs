//! What the keeper tells the users of the connection, and what they tell it.

use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};

/// Where the connection stands.
#[derive(Clone)]
pub(crate) enum State {
    /// Being opened, and nothing speaks against it: commands may wait for it.
    Opening,
    /// Open. The number rises with each new connection.
    Open(u64, MultiplexedConnection),
    /// The last attempt failed, or the server fell silent: commands fail at once.
    Away,
}

/// The users' ends.
pub(crate) struct Ends {
    pub(crate) state: watch::Receiver<State>,
    pub(crate) reconnected: watch::Receiver<u64>,
    pub(crate) replaced: watch::Receiver<u64>,
    /// Numbers of connections that somebody found silent or unfit. Of one place: one hint is as
    /// good as many.
    pub(crate) unfit: mpsc::Sender<u64>,
}

/// The keeper's ends.
pub(crate) struct Signals {
    pub(crate) state: watch::Sender<State>,
    pub(crate) reconnected: watch::Sender<u64>,
    pub(crate) replaced: watch::Sender<u64>,
    pub(crate) unfit: mpsc::Receiver<u64>,
}

pub(crate) fn channels() -> (Signals, Ends) {
    let (state, state_end) = watch::channel(State::Opening);
    let (reconnected, reconnected_end) = watch::channel(0);
    let (replaced, replaced_end) = watch::channel(0);
    let (unfit_end, unfit) = mpsc::channel(1);
    let ends = Ends {
        state: state_end,
        reconnected: reconnected_end,
        replaced: replaced_end,
        unfit: unfit_end,
    };
    (Signals { state, reconnected, replaced, unfit }, ends)
}
