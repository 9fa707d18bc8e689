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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{self, Failure},
    };

    use super::*;
    use crate::testing::{Person, World, id_of};

    fn sent(world: &World, name: &str, bytes: &[u8]) -> Id {
        let chat = world.direct().to_string();
        let form = fake::post("/send-file").form(&[("chatId", &chat)], Some(("file", name, bytes)));
        id_of(&world.ask(&world.anna, form))
    }

    fn fetch(world: &World, who: &Person, id: impl std::fmt::Display) -> fake::Answer {
        world.ask(who, fake::get(&format!("/files/{id}")))
    }

    #[test]
    fn participants_get_the_bytes() {
        let world = World::new();
        let picture = b"\x89PNG\r\n\x1a\n123";
        let id = sent(&world, "größe.png", picture);
        let answer = fetch(&world, &world.ben, id);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.as_ref(), picture);
        assert_eq!(answer.header("content-type"), "image/png");
        assert!(answer.header("content-disposition").starts_with("inline;"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let direct = world.ask(&world.ben, fake::get(&format!("/chat/files/{id}")));
        assert_eq!(direct.body.as_ref(), picture);
    }

    #[test]
    fn what_is_no_picture_is_saved() {
        let world = World::new();
        let id = sent(&world, "evil.html", b"<script>alert(1)</script>");
        let answer = fetch(&world, &world.anna, id);
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert!(answer.header("content-disposition").starts_with("attachment;"));
    }

    #[test]
    fn nobody_else_gets_anything() {
        let world = World::new();
        let id = sent(&world, "a", b"abc");
        assert_eq!(fetch(&world, &world.zoe, id).message(), "Not authorized");
        assert_eq!(fetch(&world, &world.cleo, id).status, 403);
        let path = format!("/files/{id}");
        assert_eq!(world.host.request(&crate::routes(), fake::get(&path)).status, 401);
        let answer = fetch(&world, &world.anna, world.host.new_id());
        assert_eq!((answer.status.as_u16(), answer.message().as_str()), (404, "File not found"));
        assert_eq!(fetch(&world, &world.anna, "12").status, 400);
        let text = world.say(&world.anna, world.direct(), "no file")["_id"].clone();
        assert_eq!(fetch(&world, &world.anna, text.as_str().unwrap()).status, 404);
        world.host.fail_next(Failure::Documents(DocumentError::DeadlineExceeded));
        assert!(fetch(&world, &world.anna, id).status.is_server_error());
    }
}
