//! How fast the bodies of a site's responses go out, over all its clients.
//!
//! A body that is ahead waits before its next piece, so that whoever sends a lot waits for itself and
//! leaves the thread, the kernel and the wire to others meanwhile.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pingtalk_capabilities::{
    calls::{Body, BodyError},
    rate::Rate,
};
use tokio::time::Sleep;

/// A pause that a timer can keep.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// Bodies up to this many bytes go out in one piece; they count all the same.
const ONE_PIECE: u64 = 64 * 1024;
/// Bytes after which the thread's other work gets a turn; sending them takes some tenth of a millisecond.
const TURN: u64 = 256 * 1024;

/// Bytes a second.
pub struct Egress(Rate);

impl Egress {
    /// At this many bytes a second; 0 counts as 1.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Arc<Self> {
        Arc::new(Self(Rate::new(Some(bytes_per_second))))
    }

    /// A body that keeps to it.
    pub(crate) fn pace(self: &Arc<Self>, body: Body) -> Body {
        match http_body::Body::size_hint(&body).exact() {
            Some(bytes) if bytes <= ONE_PIECE => {
                self.0.take(bytes);
                body
            }
            _ => Body::new(Paced { body, egress: Arc::clone(self), pause: None, turn: 0 }),
        }
    }
}

struct Paced {
    body: Body,
    egress: Arc<Egress>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Bytes since others had a turn.
    turn: u64,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        if this.turn >= TURN {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.turn += data.len() as u64;
            let wait = this.egress.0.take(data.len() as u64);
            if wait >= LEAST_PAUSE {
                this.turn = 0;
                this.pause = Some(Box::pin(tokio::time::sleep(wait)));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of so many pieces of 100 KB.
    fn body(pieces: usize) -> Body {
        let piece = || Ok(Frame::data(Bytes::from(vec![0; 100_000])));
        let pieces = std::iter::repeat_with(piece).take(pieces);
        StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync()
    }

    async fn length(body: Body) -> usize {
        body.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_go_out_at_the_rate_of_all_together() {
        let egress = Egress::new(1_000_000);
        let began = std::time::Instant::now();
        let clock = tokio::time::Instant::now();
        // The account's own clock is the real one: what it says to wait is what is checked.
        let (one, other) =
            tokio::join!(length(egress.pace(body(10))), length(egress.pace(body(10))));
        assert_eq!((one, other), (1_000_000, 1_000_000));
        // Two megabytes at one a second, a quarter of a second's worth at once; the last pieces are
        // not waited for.
        assert!(clock.elapsed() >= Duration::from_millis(1_400), "{:?}", clock.elapsed());
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_long_body_leaves_the_thread_to_others() {
        let sending = tokio::spawn(length(Egress::new(1_000_000_000).pace(body(100))));
        let mut turns = 0;
        while !sending.is_finished() {
            tokio::task::yield_now().await;
            turns += 1;
        }
        assert_eq!(sending.await.unwrap(), 10_000_000);
        assert!(turns >= 10_000_000 / 300_000, "{turns}");
    }

    #[tokio::test]
    async fn small_bodies_count_and_are_left_alone() {
        let egress = Egress::new(1_000_000);
        let small = Body::new(
            http_body_util::Full::new(Bytes::from(vec![0; 60_000]))
                .map_err(|never: std::convert::Infallible| match never {}),
        );
        assert_eq!(http_body::Body::size_hint(&egress.pace(small)).exact(), Some(60_000));
        // What it took is missing from what may go out at once.
        assert!(egress.0.take(250_000) > Duration::from_millis(50));
    }
}
