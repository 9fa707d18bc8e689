//! Keeps the shared connection open: opens it, carries its bytes, finds out when it is gone or
//! silent, and opens another after a pause that grows.
//!
//! It runs on a thread of its own, so that a host's busy cores can't make a healthy server look
//! silent, and so that the connection belongs to none of their runtimes. The thread ends when the
//! last user of the connection is gone.

use std::time::{Duration, Instant};

use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Config,
    link::{self, Identity, Link},
    state::{Signals, State},
};

/// A connection that lasted this long is no sign of trouble, and is replaced without a pause.
const STEADY: Duration = Duration::from_secs(2);

/// How a connection ended.
enum End {
    /// The server or the network closed it: it may be back at once.
    Closed,
    /// No answer, or none that is of use: it stays away until a new connection proves itself.
    Unfit,
    /// Nobody uses it any more.
    Unused,
}

/// Starts the thread. Should the system refuse one, Redis stays away, and the log says why.
pub(crate) fn start(config: Config, signals: Signals) {
    let state = signals.state.clone();
    let thread = std::thread::Builder::new().name("redis".to_owned()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(keep(&config, signals)),
            Err(error) => {
                tracing::error!(%error, "no runtime for the connection to Redis");
                signals.state.send_replace(State::Away);
            }
        }
    });
    if let Err(error) = thread {
        tracing::error!(%error, "no thread for the connection to Redis");
        state.send_replace(State::Away);
    }
}

async fn keep(config: &Config, mut signals: Signals) {
    let mut pause = config.pauses.0;
    let mut number = 0;
    let mut former = Identity::default();
    // One line in the log for each going and coming, however often it is tried in between.
    let mut told = false;
    loop {
        match link::open(config).await {
            Ok(mut link) => {
                link::drop_former(&mut link, &former).await;
                if number > 0 && !link.identity.is_same_server(&former) {
                    signals.replaced.send_modify(|replaced| *replaced += 1);
                }
                former = link.identity.clone();
                number += 1;
                if number > 1 || told {
                    tracing::info!(address = %config, "Redis is back");
                }
                told = false;
                let began = Instant::now();
                let end = hold(config, &mut signals, link, number).await;
                if matches!(end, End::Unused) {
                    return;
                }
                tracing::warn!(address = %config, "the connection to Redis is gone");
                if began.elapsed() >= STEADY {
                    pause = config.pauses.0;
                    if matches!(end, End::Closed) {
                        signals.state.send_replace(State::Opening);
                        continue;
                    }
                }
                signals.state.send_replace(State::Away);
            }
            Err(failure) => {
                signals.state.send_replace(State::Away);
                if !told {
                    tracing::warn!(address = %config, %failure, "Redis is away");
                    told = true;
                }
            }
        }
        // Hosts that lost the same server should not all come back in the same moment.
        let jittered = pause.mul_f64(rand::random_range(0.75..1.25));
        tokio::select! {
            () = sleep(jittered) => pause = (pause * 2).min(config.pauses.1),
            () = signals.state.closed() => return,
        }
    }
}

/// Carries a connection's bytes until it ends.
async fn hold(config: &Config, signals: &mut Signals, link: Link, number: u64) -> End {
    let Link { connection, mut driver, .. } = link;
    let Signals { state, reconnected, unfit, .. } = signals;
    state.send_replace(State::Open(number, connection.clone()));
    reconnected.send_replace(number);
    let probing = async {
        let mut ticks = interval(config.probe_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut connection = connection.clone();
            let ping = redis::cmd("PING");
            let answer = ping.query_async::<()>(&mut connection);
            // A silent server is the only one that this looks for: what is closed ends the driver,
            // and an error is an answer.
            if timeout(config.command_timeout, answer).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = &mut driver => End::Closed,
        () = probing => End::Unfit,
        () = told_of(unfit, number) => End::Unfit,
        () = unused(state) => End::Unused,
    }
}

/// Waits until a user finds this very connection unfit.
async fn told_of(unfit: &mut mpsc::Receiver<u64>, number: u64) {
    while let Some(named) = unfit.recv().await {
        if named == number {
            return;
        }
    }
    // All users are gone, which `unused` sees too.
    std::future::pending().await
}

async fn unused(state: &watch::Sender<State>) {
    state.closed().await;
}
