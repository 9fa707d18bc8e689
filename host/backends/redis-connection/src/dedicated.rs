//! A connection for one user, whose commands may wait inside Redis.

use std::ops::{Deref, DerefMut};

use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;

/// A connection of one's own, without time-outs: put one around each command. It belongs to the
/// runtime on which it was opened and closes when dropped, whatever is under way.
///
/// It is used through its [`MultiplexedConnection`]; when that fails, ask for another one.
pub struct Dedicated {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Dedicated {
    pub(crate) fn new(
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { connection, driver: tokio::spawn(driver) }
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }
}

impl Deref for Dedicated {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.connection
    }
}

impl DerefMut for Dedicated {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
