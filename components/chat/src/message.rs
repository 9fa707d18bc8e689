//! The message document, `chatDB.messages`.

use pingtalk_sdk::prelude::*;

use crate::PREFIX;

pub(crate) static MESSAGES: Collection<Message> = Collection::new("chatDB", "messages");

/// Longest text of a message, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Longest id that a client may give a message, in bytes: room for a UUID and a prefix.
pub(crate) const MAX_CLIENT_ID_BYTES: usize = 128;
/// Largest file, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;

/// Where a message's file data is; histories leave it out until it is wanted.
pub(crate) const FILE_DATA: &str = "file.data";

/// What somebody said.
///
/// What is internal is written but never read into this type, so that a message that was read
/// can go to a client as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) chat_id: Id,
    pub(crate) sender_id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File>,
    #[serde(default)]
    pub(crate) read_by: Vec<Id>,
    /// Its place in the chat, from 1, without gaps; none in a message that the original wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<i64>,
    /// The client's own id for it, which makes sending it twice harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_message_id: Option<String>,
    pub(crate) created_at: Date,
    pub(crate) updated_at: Date,
    /// `chat:sender:clientMessageId`, under a unique index.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) client_key: Option<String>,
}

impl Message {
    /// Its number as the host's sockets count.
    pub(crate) fn sequence(&self) -> Option<u64> {
        self.seq.and_then(|seq| u64::try_from(seq).ok())
    }
}

/// An attached file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) mime_type: String,
    /// Bytes.
    #[serde(default)]
    pub(crate) size: i64,
    /// Where to fetch it, in a history that leaves `data` out. Never stored.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

impl File {
    /// About how many bytes its base64 takes (RFC 4648 §4: four for three).
    pub(crate) fn encoded_bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(0).div_ceil(3).saturating_mul(4)
    }
}

/// Where the file of a message can be fetched.
pub(crate) fn file_url(message: Id) -> String {
    format!("{PREFIX}/files/{message}")
}

/// Refuses a client's id for a message that is empty or too long.
///
/// # Errors
/// 400.
pub(crate) fn checked_client_id(id: Option<&str>) -> Result<Option<String>> {
    match id {
        Some(id) if id.is_empty() || id.len() > MAX_CLIENT_ID_BYTES => {
            Err(crate::refusals::bad_client_message_id(MAX_CLIENT_ID_BYTES))
        }
        id => Ok(id.map(str::to_owned)),
    }
}

/// Refuses a text that is too long.
///
/// # Errors
/// 400.
pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(crate::refusals::text_too_long(MAX_TEXT_BYTES));
    }
    Ok(())
}
