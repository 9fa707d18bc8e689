//! Streamed bytes: a request's body, a blob's content. Nothing here reads without a bound.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};

/// Why a body could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the reader allows.
    #[error("over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The sender stopped before the end. The text is for the log.
    #[error("cut short: {0}")]
    Aborted(String),
}

/// Bytes that arrive piece by piece.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>>>>);

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_stream(stream::empty())
    }

    /// From a stream of pieces.
    pub fn from_stream(pieces: impl Stream<Item = Result<Bytes, BodyError>> + 'static) -> Self {
        Self(Box::pin(pieces))
    }

    /// Reads all of it, up to `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as more arrives, [`BodyError::Aborted`] when it ends early.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        let mut piece = Some(second);
        while let Some(bytes) = piece {
            if bytes.len() > limit.saturating_sub(all.len()) {
                return Err(BodyError::TooLarge { limit });
            }
            all.extend_from_slice(&bytes);
            piece = self.next().await.transpose()?;
        }
        Ok(all.freeze())
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_stream(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
