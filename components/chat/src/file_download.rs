//! `GET /files/:messageId`: the file of a message, for the participants of its chat.
//!
//! Only pictures are shown in place; everything else is saved, whatever it claims to be, so that
//! nothing a user uploaded runs as a page of this site.

use base64::{Engine, engine::general_purpose::STANDARD};
use pingtalk_sdk::{
    bytes::Bytes,
    http::{StatusCode, header},
    prelude::*,
};

use crate::{
    content_disposition, conversation, file_data, file_type,
    message::{FILE_DATA, MESSAGES},
    refusals,
};

/// A message's file never changes; its readers may.
const CACHE_CONTROL: &str = "private, max-age=3600";
/// Even if a browser does show it: no scripts, no origin.
const POLICY: &str = "default-src 'none'; sandbox";

pub(crate) async fn file_download(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let id = cx.id_param("messageId")?;
    let without_data = eq("_id", id).exclude([FILE_DATA]);
    let message = cx.documents().find_one(&MESSAGES, without_data).await?;
    let message = message.ok_or_else(refusals::file_not_found)?;
    conversation::of_participant(&cx, message.chat_id, me).await?;
    let file = message.file.ok_or_else(refusals::file_not_found)?;
    let data = file_data::read(&cx, id, &file).await?.ok_or_else(refusals::file_not_found)?;
    let bytes = STANDARD
        .decode(&data.base64)
        .map_err(|error| Error::internal(format!("file of message {id}: {error}")))?;

    let inline = file_type::shown_inline(&file.mime_type);
    let content_type = if file.mime_type.is_empty() { file_type::UNKNOWN } else { &file.mime_type };
    Ok(Response::bytes(StatusCode::OK, content_type, Bytes::from(bytes))
        .header(header::CONTENT_DISPOSITION, &content_disposition::header(inline, &file.name))
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::CACHE_CONTROL, CACHE_CONTROL))
}
