//! How much the bus keeps, and how long it waits.

use std::time::Duration;

/// Settings of [`crate::RedisCluster`].
#[derive(Debug, Clone)]
pub struct Config {
    /// How long Redis keeps what was said: an outage of a host's connection that is shorter loses
    /// nothing. Memory in Redis is the rate of notices times this. Default: 60 s.
    pub retention: Duration,
    /// A host that has said nothing for so long says that it is there, by which others see what
    /// they missed of it. At most a sixth of the retention. Default: 5 s.
    pub beat: Duration,
    /// A longer body lies beside the stream, and is fetched only where it is wanted. Default:
    /// 64 KiB.
    pub beside_bytes: usize,
    /// Notices that wait while Redis is away; beyond it they are dropped and the others told.
    /// Default: 20,000.
    pub pending_notices: usize,
    /// The same in bytes. Default: 64 MiB.
    pub pending_bytes: usize,
    /// Most notices of one round trip. Default: 256.
    pub batch_notices: usize,
    /// Most bytes of one round trip, unless a single notice is longer. Default: 1 MiB.
    pub batch_bytes: usize,
    /// How long a caller waits for Redis to take its notice. Default: 1 s.
    pub patience: Duration,
    /// When an answer is given up on, and the connection with it. Default: 3 s.
    pub answer_timeout: Duration,
    /// First and longest pause between attempts to connect. Default: 50 ms and 2 s.
    pub pauses: (Duration, Duration),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(60),
            beat: Duration::from_secs(5),
            beside_bytes: 64 * 1024,
            pending_notices: 20_000,
            pending_bytes: 64 * 1024 * 1024,
            batch_notices: 256,
            batch_bytes: 1024 * 1024,
            patience: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(3),
            pauses: (Duration::from_millis(50), Duration::from_secs(2)),
        }
    }
}
