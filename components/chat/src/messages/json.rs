//! A page of messages as JSON.
//!
//! Files are sent as they are read, one at a time, so that a page's memory does not grow with
//! them. Should one fail to be read, the body is cut short, which the client notices.

use std::{collections::VecDeque, vec};

use pingtalk_sdk::{
    BodyError, Platform,
    bytes::Bytes,
    prelude::*,
    serde_json::{to_string, to_vec},
};

use super::referred;
use crate::{
    budget::Share,
    file_data,
    message::{File, Message},
};

const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// Messages without files are sent together until they make a piece of so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// With the files' URLs in place of their data.
pub(super) fn with_urls(messages: Vec<Message>) -> Response {
    let messages: Vec<Message> = messages.into_iter().map(referred).collect();
    Response::ok(&messages)
}

/// With the files' data.
pub(super) fn with_files(platform: &Platform, messages: Vec<Message>) -> Response {
    if messages.iter().all(|message| message.file.is_none()) {
        return Response::ok(&messages);
    }
    let pieces = Pieces {
        platform: platform.clone(),
        messages: messages.into_iter(),
        ready: VecDeque::new(),
        share: None,
        state: State::Start,
    };
    Response::stream(
        CONTENT_TYPE,
        futures_util::stream::try_unfold(pieces, |mut pieces| async move {
            Ok(pieces.next().await?.map(|piece| (piece, pieces)))
        }),
    )
}

#[derive(PartialEq, Eq)]
enum State {
    Start,
    Within,
    End,
}

/// The array's pieces, made as they are asked for.
struct Pieces {
    platform: Platform,
    messages: vec::IntoIter<Message>,
    ready: VecDeque<Bytes>,
    /// Of the file whose piece is on its way.
    share: Option<Share>,
    state: State,
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(piece) = self.ready.pop_front() {
            return Ok(Some(piece));
        }
        // The file before has been taken.
        self.share = None;
        if self.state == State::End {
            return Ok(None);
        }
        self.make().await.map_err(|error| BodyError::Aborted(error.to_string()))?;
        Ok(self.ready.pop_front())
    }

    /// Makes pieces up to the next file or until there are enough bytes.
    async fn make(&mut self) -> Result<()> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES {
            let Some(mut message) = self.messages.next() else {
                piece.extend_from_slice(if self.state == State::Start { b"[]" } else { b"]" });
                self.state = State::End;
                break;
            };
            piece.push(if self.state == State::Start { b'[' } else { b',' });
            self.state = State::Within;
            match message.file.take() {
                None => piece.extend(to_vec(&message).map_err(not_json)?),
                Some(file) => {
                    self.with_file(piece, &message, &file).await?;
                    return Ok(());
                }
            }
        }
        self.ready.push_back(Bytes::from(piece));
        Ok(())
    }

    /// Appends a message whose file was taken out of it. The file stands first in the object, and
    /// its data first in the file, so that what is around the data can be written as it is:
    /// `{"file":{"data":"…","name":…},"_id":…}`.
    async fn with_file(
        &mut self,
        mut piece: Vec<u8>,
        message: &Message,
        file: &File,
    ) -> Result<()> {
        let around = to_string(file).map_err(not_json)?;
        let rest = to_string(message).map_err(not_json)?;
        let inner = |object: &str| object.strip_prefix('{').unwrap_or(object).to_owned();
        let tail = format!("{},{}", inner(&around), inner(&rest));
        match file_data::read(&self.platform, message.id, file).await? {
            None => piece.extend_from_slice(format!("{{\"file\":{{{tail}").as_bytes()),
            Some(data) if is_plain(&data.base64) => {
                piece.extend_from_slice(b"{\"file\":{\"data\":\"");
                self.ready.push_back(Bytes::from(piece));
                self.ready.push_back(data.base64);
                self.share = Some(data.share);
                piece = format!("\",{tail}").into_bytes();
            }
            // The original took what it was given.
            Some(data) => {
                let text = String::from_utf8_lossy(&data.base64);
                let quoted = to_string(&text).map_err(not_json)?;
                piece
                    .extend_from_slice(format!("{{\"file\":{{\"data\":{quoted},{tail}").as_bytes());
            }
        }
        self.ready.push_back(Bytes::from(piece));
        Ok(())
    }
}

/// True for text that JSON need not escape.
fn is_plain(base64: &[u8]) -> bool {
    base64.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte))
}

fn not_json(error: pingtalk_sdk::serde_json::Error) -> Error {
    Error::internal(format!("message is not JSON: {error}"))
}
