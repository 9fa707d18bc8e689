//! Opening one connection: TCP, TLS, log-in, and what the server says of itself.

use std::{io, pin::Pin};

use redis::{AsyncConnectionConfig, Cmd, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{Away, Config, Dedicated, stream};

/// Why no connection came about; for logs and for the doctor.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The name, the network or TLS.
    #[error("{0}")]
    Network(#[from] io::Error),
    /// The server does not let us in, or is not ready.
    #[error("{0}")]
    Login(Away),
    /// Nobody answered within [`Config::connect_timeout`].
    #[error("no connection in time")]
    TimedOut,
    /// The server can't be written to.
    #[error("it is a replica")]
    Replica,
}

/// An open connection.
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    /// Carries the bytes; ends with the connection.
    pub(crate) driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) identity: Identity,
}

/// Which connection of which server process this is, if the server tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) run_id: Option<String>,
    pub(crate) client_id: Option<i64>,
}

impl Identity {
    /// Whether both are known to be connections to one server process.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        self.run_id.is_some() && self.run_id == other.run_id
    }
}

/// Opens a connection for everybody's commands.
pub(crate) async fn open(config: &Config) -> Result<Link, Unreachable> {
    let opening = async {
        let (connection, driver) = bare(config).await?;
        let mut link = Link { connection, driver: Box::pin(driver), identity: Identity::default() };
        // The driver moves the bytes of the questions, so both are polled here.
        let Link { connection, driver, .. } = &mut link;
        let identity = tokio::select! {
            identity = ask(connection) => identity?,
            () = driver => return Err(Unreachable::Login(Away::Interrupted)),
        };
        link.identity = identity;
        Ok(link)
    };
    timeout(config.connect_timeout, opening).await.unwrap_or(Err(Unreachable::TimedOut))
}

/// Connects once, as the shared connection does, to find out what is in the way.
///
/// # Errors
/// What is in the way.
pub async fn try_connect(config: &Config) -> Result<Dedicated, Unreachable> {
    let link = open(config).await?;
    Ok(Dedicated::new(link.connection, link.driver))
}

/// A connection that is logged in. The caller bounds the time.
pub(crate) async fn bare(
    config: &Config,
) -> Result<(MultiplexedConnection, impl Future<Output = ()> + Send + 'static), Unreachable> {
    let stream = stream::open(config).await?;
    // Time-outs are counted by whoever asks.
    let settings = AsyncConnectionConfig::new().set_response_timeout(None);
    MultiplexedConnection::new_with_config(&config.login, stream, settings)
        .await
        .map_err(|error| Unreachable::Login(Away::from(error)))
}

/// Whether the server is ready, and who it is. Only the first question must be answered: a server
/// may forbid us the others.
async fn ask(connection: &mut MultiplexedConnection) -> Result<Identity, Unreachable> {
    let ready: redis::RedisResult<()> = redis::cmd("PING").query_async(connection).await;
    ready.map_err(|error| Unreachable::Login(Away::from(error)))?;
    let role: Option<String> = optional(connection, redis::cmd("INFO").arg("replication")).await;
    if field(role.as_deref(), "role").is_some_and(|role| role == "slave") {
        return Err(Unreachable::Replica);
    }
    let server: Option<String> = optional(connection, redis::cmd("INFO").arg("server")).await;
    let client_id = optional(connection, redis::cmd("CLIENT").arg("ID")).await;
    Ok(Identity { run_id: field(server.as_deref(), "run_id"), client_id })
}

async fn optional<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Option<T> {
    command
        .query_async(connection)
        .await
        .inspect_err(|error| tracing::debug!(%error, "Redis does not tell about itself"))
        .ok()
}

/// A line of `INFO`.
fn field(info: Option<&str>, name: &str) -> Option<String> {
    info?
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
}

/// Has the server drop an earlier connection to the same process, with whatever of it is unread.
pub(crate) async fn drop_former(link: &mut Link, former: &Identity) {
    let Some(id) = former.client_id else { return };
    // A restarted server numbers its clients anew: the number might be another's.
    if !link.identity.is_same_server(former) {
        return;
    }
    let mut command = redis::cmd("CLIENT");
    command.arg("KILL").arg("ID").arg(id);
    let Link { connection, driver, .. } = link;
    tokio::select! {
        _ = optional::<i64>(connection, &command) => {}
        () = driver => {}
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn reads_a_line_of_info() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
        assert_eq!(field(Some(info), "run_id").as_deref(), Some("abc"));
        assert_eq!(field(Some(info), "run"), None);
        assert_eq!(field(None, "run_id"), None);
    }
}
