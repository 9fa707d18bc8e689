//! Where the broker is and how patient we are with it.

use std::{fmt, time::Duration};

/// Settings of [`crate::RabbitEvents`].
#[derive(Clone)]
pub struct Config {
    /// Such as `amqp://user:password@host:5672/%2f` or `amqps://…`. It holds the password, so Debug
    /// leaves it out.
    pub url: String,
    /// Unsettled deliveries a queue may have at this host. Default: 16, which is how many the
    /// dispatcher hands out at once: more would only keep events from idle hosts. At least 1.
    pub prefetch: u16,
    /// Make missing queues as the original makes them: durable and without arguments. Only for a
    /// deployment whose original services will consume these queues too: they declare them
    /// that way, and the broker refuses that where we made better ones. Default: false.
    pub plain_queues: bool,
    /// How often the broker and we show each other that we live. A connection over which nothing came
    /// for twice as long is given up. Default: 10 s; whole seconds, at least one.
    pub heartbeat: Duration,
    /// Longest wait for a connection, its handshake included. Default: 5 s.
    pub connect_timeout: Duration,
    /// Longest wait for the broker to confirm a publication, or to carry out any other single call.
    /// Default: 10 s.
    pub call_timeout: Duration,
}

impl Config {
    /// The defaults, at this address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefetch: 16,
            plain_queues: false,
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("prefetch", &self.prefetch)
            .field("plain_queues", &self.plain_queues)
            .field("heartbeat", &self.heartbeat)
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let text = format!("{:?}", Config::new("amqp://user:secret@host/%2f"));
        assert!(!text.contains("secret") && text.contains("prefetch: 16"), "{text}");
    }
}
