//! What things are called at the broker.
//!
//! The default tenant's exchange and queues have the names the original gave them. Another tenant's
//! have the prefix `pingtalk/<tenant>/`: a tenant's name holds no slash, and a name of the default
//! tenant that starts like a prefix is refused, so no two can collide. So are queue names that
//! look like those of the queues we add.

use std::{collections::HashSet, time::Duration};

use pingtalk_capabilities::{
    TenantId,
    events::{Queue, Retry},
};

use crate::error::Error;

/// The original's exchange.
const EXCHANGE: &str = "events.exchange";
const PREFIX: &str = "pingtalk/";
/// AMQP's short strings, which names and routing keys are, hold 255 bytes.
const MAX_BYTES: usize = 255;
/// Bytes of a queue's name kept free for `.retry.<milliseconds>` and for `.dead.lock`.
const SUFFIX_BYTES: usize = 20;
/// Longest pause: what a queue's time to live may be everywhere, with room.
const MAX_PAUSE_MS: u32 = 7 * 24 * 60 * 60 * 1_000;

/// A declared queue under its names.
#[derive(Debug)]
pub(crate) struct Declared {
    /// The manifest's name.
    pub(crate) name: String,
    /// The broker's name.
    pub(crate) queue: String,
    pub(crate) topics: Vec<String>,
    pub(crate) retry: Retry,
}

impl Declared {
    /// Checks a declaration and names it.
    pub(crate) fn new(tenant: &TenantId, queue: &Queue) -> Result<Self, Error> {
        let prefix = prefix(tenant);
        let room = MAX_BYTES - SUFFIX_BYTES - prefix.len();
        if queue.name.is_empty() || queue.name.len() > room || queue.retry.attempts == 0 {
            let text = format!("a queue has a name of 1 to {room} bytes and at least one attempt");
            return Err(Error::Invalid(text));
        }
        if is_ours(&queue.name) {
            let text = format!("the name of the queue {} is reserved", queue.name);
            return Err(Error::Invalid(text));
        }
        for topic in &queue.topics {
            // To a topic exchange, these words are patterns.
            let pattern = topic.split('.').any(|word| word == "*" || word == "#");
            if topic.is_empty() || topic.len() > MAX_BYTES || pattern {
                let text = format!("a topic is 1 to {MAX_BYTES} bytes, without wildcards: {topic}");
                return Err(Error::Invalid(text));
            }
        }
        Ok(Self {
            name: queue.name.clone(),
            queue: format!("{prefix}{}", queue.name),
            topics: queue.topics.clone(),
            retry: queue.retry,
        })
    }

    /// Where its dead letters are.
    pub(crate) fn dead(&self) -> String {
        format!("{}.dead", self.queue)
    }

    /// Held by whoever reads the dead letters.
    pub(crate) fn lock(&self) -> String {
        format!("{}.dead.lock", self.queue)
    }

    /// Where events wait for this many milliseconds.
    pub(crate) fn pausing(&self, pause: u32) -> String {
        format!("{}.retry.{pause}", self.queue)
    }

    /// The pause after an attempt, in milliseconds: it doubles each time, up to the longest.
    pub(crate) fn pause(&self, attempt: u32) -> u32 {
        let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.retry.first_pause.checked_mul(doubled).unwrap_or(Duration::MAX);
        let pause = pause.min(self.retry.longest_pause).as_millis();
        u32::try_from(pause).unwrap_or(MAX_PAUSE_MS).min(MAX_PAUSE_MS)
    }

    /// Every pause its rule can make. They double, so there are few.
    pub(crate) fn pauses(&self) -> HashSet<u32> {
        (1..self.retry.attempts.min(64)).map(|attempt| self.pause(attempt)).collect()
    }
}

/// The exchange of a tenant.
pub(crate) fn exchange(tenant: &TenantId) -> String {
    format!("{}{EXCHANGE}", prefix(tenant))
}

fn prefix(tenant: &TenantId) -> String {
    if tenant.is_default() { String::new() } else { format!("{PREFIX}{tenant}/") }
}

/// True for names that we give ourselves.
fn is_ours(name: &str) -> bool {
    let pausing = name.rsplit_once(".retry.").is_some_and(|(_, pause)| {
        !pause.is_empty() && pause.bytes().all(|byte| byte.is_ascii_digit())
    });
    // `amq.` is the broker's own.
    pausing
        || name.ends_with(".dead")
        || name.ends_with(".dead.lock")
        || name.starts_with(PREFIX)
        || name.starts_with("amq.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn declared(tenant: &str, name: &str, topic: &str) -> Result<Declared, Error> {
        let retry = Retry {
            attempts: 8,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(1),
        };
        let queue = Queue { name: name.to_owned(), topics: vec![topic.to_owned()], retry };
        Declared::new(&TenantId::new(tenant).unwrap(), &queue)
    }

    #[test]
    fn the_default_tenant_has_the_names_of_the_original() {
        let queue = declared("default", "chat.request.accepted", "request.accepted").unwrap();
        assert_eq!(queue.queue, "chat.request.accepted");
        assert_eq!(exchange(&TenantId::default_tenant()), "events.exchange");
        let other = declared("acme", "chat.request.accepted", "request.accepted").unwrap();
        assert_eq!(other.queue, "pingtalk/acme/chat.request.accepted");
        assert_eq!(other.dead(), "pingtalk/acme/chat.request.accepted.dead");
        assert_eq!(exchange(&TenantId::new("acme").unwrap()), "pingtalk/acme/events.exchange");
    }

    #[test]
    fn names_that_could_collide_are_refused() {
        for name in ["", "a.dead", "a.retry.100", "a.dead.lock", "pingtalk/b/a", "amq.x"] {
            assert!(declared("default", name, "t").is_err(), "{name}");
        }
        for name in ["a.dead.b", "a.retry", "a.retry.soon", "dead"] {
            assert!(declared("default", name, "t").is_ok(), "{name}");
        }
        assert!(declared("default", &"n".repeat(240), "t").is_err());
        for topic in ["", "a.*", "#", "*.a"] {
            assert!(declared("default", "q", topic).is_err(), "{topic}");
        }
        assert!(declared("default", "q", "a*.b#").is_ok(), "only whole words are patterns");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let queue = declared("default", "q", "t").unwrap();
        let pauses: Vec<_> = [1, 2, 3, 4, 99].map(|at| queue.pause(at)).into();
        assert_eq!(pauses, [200, 400, 800, 1_000, 1_000]);
        assert_eq!(queue.pauses(), HashSet::from([200, 400, 800, 1_000]));
    }
}
