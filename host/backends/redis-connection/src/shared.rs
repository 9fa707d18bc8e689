//! The shared connection as its users see it.

use std::{sync::Arc, time::Duration};

use redis::{
    Cmd, FromRedisValue, Pipeline, RedisResult, ScriptInvocation, aio::MultiplexedConnection,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Away, Config, Dedicated, keeper, link,
    state::{self, Ends, State},
};

/// The connection to a Redis server. Clones share it.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    ends: Ends,
    places: Semaphore,
}

impl Redis {
    /// Starts connecting in the background. It never fails: a server that is away now may come.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (signals, ends) = state::channels();
        keeper::start(config.clone(), signals);
        let places = Semaphore::new(config.max_in_flight.clamp(1, Semaphore::MAX_PERMITS));
        Self { shared: Arc::new(Shared { config, ends, places }) }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Whether the connection is open, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(&*self.shared.ends.state.borrow(), State::Open(..))
    }

    /// A number that rises with each new connection; 0 before the first. Watch it to act on each.
    #[must_use]
    pub fn reconnected(&self) -> watch::Receiver<u64> {
        self.shared.ends.reconnected.clone()
    }

    /// A number that rises when a new connection leads to another server process than the one
    /// before, or may: after a restart or a failover, what the last one had confirmed may be gone.
    /// It rises before the connection is used.
    #[must_use]
    pub fn replaced(&self) -> watch::Receiver<u64> {
        self.shared.ends.replaced.clone()
    }

    /// Sends one command.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        self.query_within(self.shared.config.command_timeout, command).await
    }

    /// Sends one command, with a time-out of its own. A shorter one than the connection's blames
    /// the caller's haste: the connection stays.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn query_within<T: FromRedisValue>(
        &self,
        limit: Duration,
        command: &Cmd,
    ) -> Result<T, Away> {
        self.run(limit, async |mut connection: MultiplexedConnection| {
            command.query_async(&mut connection).await
        })
        .await
    }

    /// Sends commands together; they come back together. `atomic()` makes them a transaction.
    ///
    /// # Errors
    /// [`Away`], also when one of them fails.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Away> {
        self.run(
            self.shared.config.command_timeout,
            async |mut connection: MultiplexedConnection| {
                commands.query_async(&mut connection).await
            },
        )
        .await
    }

    /// Runs a script by its hash; a server that doesn't know it is given it first.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn script<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Away> {
        self.script_within(self.shared.config.command_timeout, call).await
    }

    /// [`Redis::script`] with a time-out as [`Redis::query_within`] has it.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn script_within<T: FromRedisValue>(
        &self,
        limit: Duration,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Away> {
        self.run(limit, async |mut connection: MultiplexedConnection| {
            call.invoke_async(&mut connection).await
        })
        .await
    }

    /// Opens a connection of one's own on the current runtime, whatever the shared one's state.
    ///
    /// # Errors
    /// [`Away`], after [`Config::connect_timeout`] at the latest.
    pub async fn dedicated(&self) -> Result<Dedicated, Away> {
        let config = &self.shared.config;
        match timeout(config.connect_timeout, link::bare(config)).await {
            Ok(Ok((connection, driver))) => Ok(Dedicated::new(connection, driver)),
            Ok(Err(link::Unreachable::Login(away))) => Err(away),
            Ok(Err(_)) => Err(Away::Disconnected),
            Err(_) => Err(Away::TimedOut),
        }
    }

    async fn run<T>(
        &self,
        limit: Duration,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        let deadline = Instant::now() + limit;
        // Nothing has been sent up to the last of these.
        let waited = timeout_at(deadline, async {
            let place = self.shared.places.acquire().await.map_err(|_| Away::Disconnected)?;
            let (number, connection) = self.connection().await?;
            Ok::<_, Away>((place, number, connection))
        });
        let (_place, number, connection) = waited.await.map_err(|_| Away::Disconnected)??;
        let away = match timeout_at(deadline, ask(connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Away::from(error),
            Err(_) => Away::TimedOut,
        };
        let silent = away == Away::TimedOut && limit >= self.shared.config.command_timeout;
        if silent || away.wants_another_connection() {
            // A full channel holds a hint already.
            let _ = self.shared.ends.unfit.try_send(number);
        }
        Err(away)
    }

    /// The open connection; waits while one is being opened for the first time since all was well.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Away> {
        let mut state = self.shared.ends.state.clone();
        loop {
            match &*state.borrow_and_update() {
                State::Open(number, connection) => return Ok((*number, connection.clone())),
                State::Away => return Err(Away::Disconnected),
                State::Opening => {}
            }
            state.changed().await.map_err(|_| Away::Disconnected)?;
        }
    }
}
