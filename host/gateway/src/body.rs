//! Bodies on their way in and out.
//!
//! A request's body is bounded in bytes and in time, and is read by the gateway itself before the
//! handler is called, as long as the process's budget for that has room: a slow or endless upload
//! then costs a connection and some memory, but no instance. Beyond the budget it is streamed.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use pingtalk_capabilities::calls::{Body, BodyError};
use tokio::time::Sleep;

use crate::{egress::Egress, errors::Problem, metrics::InFlight, phase::Phase};

/// Pieces smaller than this are joined, so that a body of tiny chunks can't cost many times its
/// size.
const SMALL_PIECE: usize = 4 * 1024;

/// How many bytes of request bodies the gateway may hold at once.
pub(crate) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    fn reserve(&self, bytes: usize) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.left.fetch_add(bytes, Relaxed);
    }
}

/// Why a body that was being streamed broke off, kept for the gateway: its answer goes before the
/// handler's.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<AtomicU8>);

impl Fault {
    fn set(&self, error: &BodyError) {
        let code = match error {
            BodyError::TooLarge { .. } => 1,
            BodyError::TimedOut => 2,
            BodyError::Aborted(_) => 3,
        };
        self.0.store(code, Relaxed);
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        let error = match self.0.load(Relaxed) {
            1 => BodyError::TooLarge { limit: 0 },
            2 => BodyError::TimedOut,
            3 => BodyError::Aborted("".into()),
            _ => return None,
        };
        Some(error.into())
    }
}

/// The bounds of one request's body.
#[derive(Clone, Copy)]
pub(crate) struct BodyBounds {
    pub(crate) bytes: u64,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

/// A request's body with its bounds.
pub(crate) struct RequestBody {
    incoming: Incoming,
    bounds: BodyBounds,
    end_by: Instant,
    seen: u64,
    ended: bool,
    /// Armed when the client pauses; `stale` when data came since.
    timer: Option<Pin<Box<Sleep>>>,
    stale: bool,
    buffered: VecDeque<Bytes>,
    small: BytesMut,
    budget: Arc<Budget>,
    reserved: usize,
    fault: Fault,
    phase: Arc<Phase>,
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        bounds: BodyBounds,
        budget: Arc<Budget>,
        phase: Arc<Phase>,
    ) -> Self {
        Self {
            incoming,
            bounds,
            end_by: Instant::now() + bounds.total,
            seen: 0,
            ended: false,
            timer: None,
            stale: false,
            buffered: VecDeque::new(),
            small: BytesMut::new(),
            budget,
            reserved: 0,
            fault: Fault::default(),
            phase,
        }
    }

    /// Sets the byte bound, once the route is known.
    ///
    /// # Errors
    /// When the announced length is over it already.
    pub(crate) fn limit(&mut self, bytes: u64) -> Result<(), Problem> {
        self.bounds.bytes = bytes;
        if self.incoming.size_hint().lower() > bytes {
            return Err(BodyError::TooLarge { limit: bytes }.into());
        }
        Ok(())
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault.clone()
    }

    /// True when all of it is here.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn boxed(self) -> Body {
        Body::new(self)
    }

    /// Reads the body as far as the budget goes. Only what has arrived counts: an announced length
    /// costs its sender nothing.
    ///
    /// # Errors
    /// When it does not arrive as it should; the answer is known then.
    pub(crate) async fn prefetch(&mut self) -> Result<(), Problem> {
        loop {
            let piece = std::future::poll_fn(|cx| self.poll_piece(cx)).await;
            let Some(piece) = piece.transpose()? else { break };
            let bytes = piece.len();
            self.keep(piece);
            if !self.budget.reserve(bytes) {
                // This piece is here already; the rest is streamed.
                break;
            }
            self.reserved += bytes;
        }
        if !self.small.is_empty() {
            self.buffered.push_back(self.small.split().freeze());
        }
        Ok(())
    }

    /// Most bodies are one piece, which is passed on as it is.
    fn keep(&mut self, piece: Bytes) {
        let first = self.buffered.is_empty() && self.small.is_empty();
        if !first && piece.len() < SMALL_PIECE {
            self.small.extend_from_slice(&piece);
            if self.small.len() < SMALL_PIECE * 4 {
                return;
            }
            self.buffered.push_back(self.small.split().freeze());
            return;
        }
        if !self.small.is_empty() {
            self.buffered.push_back(self.small.split().freeze());
        }
        self.buffered.push_back(piece);
    }

    /// The next piece from the connection, within all bounds.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let error = loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.stale = true;
                    // Trailers have no meaning here and are dropped.
                    let Ok(data) = frame.into_data() else { continue };
                    self.seen += data.len() as u64;
                    if self.seen > self.bounds.bytes {
                        break BodyError::TooLarge { limit: self.bounds.bytes };
                    }
                    if self.incoming.is_end_stream() {
                        self.ended = true;
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(error))) => {
                    break BodyError::Aborted(error.to_string().into());
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    ready!(self.poll_timer(cx));
                    break BodyError::TimedOut;
                }
            }
        };
        self.fault.set(&error);
        // It did not end, but nothing more will be asked of it.
        self.ended = true;
        self.phase.leave_unread();
        Poll::Ready(Some(Err(error)))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let bounds = self.bounds;
        let end_by = self.end_by;
        let due = || (Instant::now() + bounds.idle).min(end_by).into();
        if self.stale {
            self.stale = false;
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(due());
            }
        }
        self.timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due())))
            .as_mut()
            .poll(cx)
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(piece) = this.buffered.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        this.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.buffered.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let buffered: u64 = self.buffered.iter().map(|piece| piece.len() as u64).sum();
        if self.ended {
            return SizeHint::with_exact(buffered);
        }
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + buffered);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + buffered);
        }
        hint
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.budget.release(self.reserved);
        if !self.ended {
            self.phase.leave_unread();
        }
    }
}

/// A response's body.
pub(crate) struct Outgoing {
    content: Content,
    /// Ends with the response's last byte.
    in_flight: Option<InFlight>,
}

enum Content {
    Empty,
    Full(Bytes),
    Stream(Body),
}

impl Outgoing {
    pub(crate) fn empty() -> Self {
        Self { content: Content::Empty, in_flight: None }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        let content = if bytes.is_empty() { Content::Empty } else { Content::Full(bytes) };
        Self { content, in_flight: None }
    }

    pub(crate) fn stream(body: Body) -> Self {
        Self { content: Content::Stream(body), in_flight: None }
    }

    /// Has the body keep to a site's pace.
    pub(crate) fn pace(&mut self, egress: &Arc<Egress>) {
        self.content = match std::mem::replace(&mut self.content, Content::Empty) {
            Content::Stream(body) => Content::Stream(egress.pace(body)),
            // The gateway's own answers are short.
            own => own,
        };
    }

    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Content::Stream(body) = &mut this.content {
            let frame = ready!(Pin::new(body).poll_frame(cx));
            if let Some(Err(error)) = &frame {
                tracing::debug!(%error, "a response broke off");
            }
            return Poll::Ready(frame);
        }
        match std::mem::replace(&mut this.content, Content::Empty) {
            Content::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Content::Empty | Content::Stream(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Full(_) => false,
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(body) => body.size_hint(),
        }
    }
}
