//! `POST /send-file`: a message with a file, and text if there is any.

use base64::{Engine, engine::general_purpose::STANDARD};
use pingtalk_sdk::{
    multipart::{self, Bounds},
    prelude::*,
};

use crate::{
    budget::UPLOADS,
    conversation, file_type,
    message::{File, MAX_FILE_BYTES, MAX_TEXT_BYTES, check_text, checked_client_id},
    refusals,
    send::{Draft, send},
};

const BOUNDS: Bounds = Bounds { max_parts: 8, max_file: MAX_FILE_BYTES, max_text: MAX_TEXT_BYTES };

/// What a body takes at the peak, in forms of itself (see [`crate::budget`]).
const FORMS: usize = 5;

pub(crate) async fn send_file(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let declared = cx.header("content-length").and_then(|length| length.parse().ok());
    let size = declared.unwrap_or(usize::MAX).min(BOUNDS.total());
    let _share = UPLOADS.with(|budget| budget.acquire(size.saturating_mul(FORMS))).await;

    let form = cx.multipart(BOUNDS).await?.ok_or_else(refusals::no_file)?;
    let file = form.file("file")?.ok_or_else(refusals::no_file)?;
    let chat = form.text("chatId")?.unwrap_or_default().trim();
    if chat.is_empty() {
        return Err(refusals::chat_id_required());
    }
    let chat = Id::parse(chat).ok_or_else(|| Error::bad_request("chatId must be a valid id"))?;
    let text = form.text("text")?.unwrap_or_default().trim();
    check_text(text)?;
    let client_message_id = checked_client_id(form.text("clientMessageId")?)?;
    let conversation = conversation::of_participant(&cx, chat, me).await?;

    let draft = Draft {
        text: (!text.is_empty()).then(|| text.to_owned()),
        file: Some(attached(file)),
        client_message_id,
    };
    // The form's bytes are in the draft now, as base64.
    drop(form);
    Ok(Response::created(&send(&cx, &conversation, me, draft).await?))
}

fn attached(file: &multipart::File) -> File {
    let head = file.bytes.get(..file_type::SNIFFED_BYTES).unwrap_or(&file.bytes);
    File {
        mime_type: file_type::decide(head, file.claimed_type.as_deref()).to_owned(),
        size: i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
        data: Some(STANDARD.encode(&file.bytes)),
        name: file.name.clone(),
        url: None,
    }
}
