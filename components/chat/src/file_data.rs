//! Reading the data of one message's file.
//!
//! Files lie in their messages, as base64. Lists read messages without it and fetch it one by
//! one where it is wanted, so that a history's memory does not grow with its files.

use pingtalk_sdk::{Platform, bytes::Bytes, prelude::*};

use crate::{
    budget::{DOWNLOADS, Share},
    message::{FILE_DATA, File, MESSAGES},
};

/// What the data takes while it is read: the document it comes in, and itself.
const FORMS: usize = 2;

/// A file's base64, and the share of memory it takes.
pub(crate) struct FileData {
    pub(crate) base64: Bytes,
    pub(crate) share: Share,
}

#[derive(Deserialize)]
struct WithData {
    #[serde(default)]
    file: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    data: Option<String>,
}

/// The data of a message's file; none if there is no data in it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn read(
    platform: &Platform,
    message: Id,
    file: &File,
) -> Result<Option<FileData>> {
    let bytes = file.encoded_bytes().saturating_mul(FORMS);
    let share = DOWNLOADS.with(|budget| budget.acquire(bytes)).await;
    let query = eq("_id", message).include([FILE_DATA]);
    let found = platform.documents().find_one(&MESSAGES.view::<WithData>(), query).await?;
    let data = found.and_then(|message| message.file).and_then(|file| file.data);
    Ok(data.map(|data| FileData { base64: Bytes::from(data), share }))
}
