//! A guest's response body as the server in front reads it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pingtalk_capabilities::calls::BodyError;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::{clock, control::Place, ticket::Ended};

/// Keeps the call's place in its instance until the body has ended, and tells a body that was cut
/// off from one that is complete (the stream itself ends the same way in both cases).
pub(super) struct ResponseBody<B = WasiBody> {
    body: B,
    place: Option<Place>,
    pause_millis: u64,
}

impl<B> ResponseBody<B> {
    /// A body that may pause for so long.
    pub(super) fn new(body: B, place: Place, pause_millis: u64) -> Self {
        place.ticket.extend(clock::now().saturating_add(pause_millis));
        Self { body, place: Some(place), pause_millis }
    }
}

impl<B> http_body::Body for ResponseBody<B>
where
    B: http_body::Body<Data = Bytes, Error = Error> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(place) = &this.place else { return Poll::Ready(None) };
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                place.ticket.extend(clock::now().saturating_add(this.pause_millis));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.place = None;
                Poll::Ready(Some(Err(BodyError::Aborted(error.to_string().into()))))
            }
            Poll::Ready(None) => {
                let cut = place.control().broken();
                let ended = place.ticket.ended();
                this.place = None;
                match ended {
                    None if !cut => Poll::Ready(None),
                    Some(ended) => Poll::Ready(Some(Err(cut_off(ended)))),
                    None => Poll::Ready(Some(Err(cut_off(Ended::Lost)))),
                }
            }
            Poll::Pending => {
                let ended = std::task::ready!(place.ticket.poll_ended(cx));
                this.place = None;
                Poll::Ready(Some(Err(cut_off(ended))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.place.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn cut_off(ended: Ended) -> BodyError {
    match ended {
        Ended::Overdue => BodyError::TimedOut,
        Ended::Failed(reason) => BodyError::Aborted(Arc::clone(&reason)),
        Ended::Lost | Ended::Refused => BodyError::Aborted("the instance was lost".into()),
    }
}
