//! The part of a rate limit that hosts keep together, asked after the host's own.
//!
//! What this host refuses by itself needs no question. The answer to one is waited for briefly;
//! after a failure or a late answer nobody asks for a moment, so that a limit's store that is away
//! costs a few milliseconds now and then. The host's own limit holds all the while.

use std::{
    future::Future,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use pingtalk_capabilities::limits::{LimitRule, SharedLimits};
use tokio::time::timeout;

use pingtalk_front::client::bucket;

/// Longest wait for an answer: many round trips within a data centre, so that a burst on a busy
/// machine is not taken for an outage, and less than anybody notices.
const WAIT: Duration = Duration::from_millis(25);
/// How long nobody asks after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// What the other hosts' requests make of one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    /// One too many: how long to wait.
    Refused(Duration),
    /// Nobody could say.
    Unknown,
}

/// One bucket of the shared limits.
pub(crate) struct SharedLimit {
    limits: Arc<dyn SharedLimits>,
    bucket: Box<str>,
    rule: LimitRule,
    start: Instant,
    /// When to ask again, in milliseconds since `start`.
    resumes: AtomicU64,
}

impl SharedLimit {
    pub(crate) fn new(limits: Arc<dyn SharedLimits>, bucket: &str, rule: LimitRule) -> Self {
        let (start, resumes) = (Instant::now(), AtomicU64::new(0));
        Self { limits, bucket: bucket.into(), rule, start, resumes }
    }

    /// Counts one request that the host's own limit let pass. Boxed, because hyper moves a
    /// request's future about, and most hosts never ask.
    pub(crate) fn take(
        &self,
        client: IpAddr,
    ) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
        Box::pin(async move {
            if self.now() < self.resumes.load(Relaxed) {
                return Verdict::Unknown;
            }
            let name = IpAddr::V6(Ipv6Addr::from_bits(bucket(client))).to_canonical().to_string();
            let failure =
                match timeout(WAIT, self.limits.take(&self.bucket, &name, self.rule)).await {
                    Ok(Ok(Ok(()))) => return Verdict::Passes,
                    Ok(Ok(Err(wait))) => return Verdict::Refused(wait),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer in time".to_owned(),
                };
            let resumes = self.now() + u64::try_from(PAUSE.as_millis()).unwrap_or(0);
            self.resumes.store(resumes, Relaxed);
            tracing::debug!(bucket = %self.bucket, failure, "the shared rate limit is away");
            Verdict::Unknown
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use pingtalk_capabilities::limits::LimitError;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    /// A store that gives one kind of answer, and counts the questions.
    struct Answers(Option<Result<Result<(), Duration>, LimitError>>, AtomicUsize);

    #[async_trait]
    impl SharedLimits for Answers {
        async fn take(
            &self,
            bucket: &str,
            client: &str,
            _rule: LimitRule,
        ) -> Result<Result<(), Duration>, LimitError> {
            assert_eq!((bucket, client), ("services", "10.0.0.1"));
            self.1.fetch_add(1, Relaxed);
            match &self.0 {
                Some(answer) => answer.clone(),
                None => std::future::pending().await,
            }
        }
    }

    async fn asked_twice(
        answer: Option<Result<Result<(), Duration>, LimitError>>,
    ) -> (Verdict, usize, Duration) {
        let store = Arc::new(Answers(answer, AtomicUsize::new(0)));
        let rule = LimitRule { per_second: 10, burst: 20 };
        let limit = SharedLimit::new(Arc::clone(&store) as _, "services", rule);
        let began = Instant::now();
        let first = limit.take(CLIENT).await;
        assert_eq!(limit.take(CLIENT).await, first);
        (first, store.1.load(Relaxed), began.elapsed())
    }

    #[tokio::test]
    async fn an_answer_counts() {
        let (verdict, questions, _) = asked_twice(Some(Ok(Ok(())))).await;
        assert_eq!((verdict, questions), (Verdict::Passes, 2));
        let wait = Duration::from_millis(100);
        let (verdict, questions, _) = asked_twice(Some(Ok(Err(wait)))).await;
        assert_eq!((verdict, questions), (Verdict::Refused(wait), 2));
    }

    #[tokio::test]
    async fn a_store_that_is_away_or_silent_is_asked_once_and_costs_little() {
        let away = LimitError::Unavailable("away".to_owned());
        for answer in [Some(Err(away)), None] {
            let (verdict, questions, took) = asked_twice(answer).await;
            assert_eq!((verdict, questions), (Verdict::Unknown, 1));
            assert!(took < Duration::from_millis(200), "{took:?}");
        }
    }
}
