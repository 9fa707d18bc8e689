//! The body of an upload: `multipart/form-data` (RFC 7578) of known length, without copying the file
//! into it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A form of text fields and a file.
pub(crate) struct Form {
    boundary: String,
    pieces: VecDeque<Bytes>,
}

impl Form {
    /// A form with these fields. Names and values are ours: none has a quote or a line end.
    pub(crate) fn new<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>, file: Bytes) -> Self {
        // 128 random bits occur in no file by chance, and nobody knows them beforehand.
        let boundary = format!("pingtalk-{:032x}", rand::random::<u128>());
        let mut head = String::new();
        for (name, value) in fields {
            head.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        ));
        let tail = format!("\r\n--{boundary}--\r\n");
        Self { boundary, pieces: VecDeque::from([head.into(), file, tail.into()]) }
    }

    /// The request's content type.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }
}

impl Body for Form {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length: usize = self.pieces.iter().map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
