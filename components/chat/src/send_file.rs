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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::fake;

    use super::*;
    use crate::testing::World;

    fn form(chat: Id, file: Option<(&str, &str, &[u8])>) -> fake::Request {
        fake::post("/send-file").form(&[("chatId", &chat.to_string())], file)
    }

    #[test]
    fn a_file_is_stored_and_delivered() {
        let world = World::new();
        let chat = world.direct();
        let texts = [("chatId", &*chat.to_string()), ("text", "  look \n")];
        let file = ("file", "C:\\dir\\größe.png", b"\x89PNG\r\n\x1a\n123".as_slice());
        let answer = world.ask(&world.anna, fake::post("/send-file").form(&texts, Some(file)));
        assert_eq!(answer.status, 201);
        let message = answer.json();
        assert_eq!(message["text"], "look");
        assert_eq!(
            message["file"],
            json!({
                "data": STANDARD.encode(file.2),
                "name": "größe.png",
                "mimeType": "image/png",
                "size": 11,
            })
        );
        assert_eq!(message["readBy"], json!([world.anna.id]));
        assert_eq!(message["seq"], 1);
        let emissions = world.host.emissions();
        assert_eq!(emissions[0].target, room(format!("chat:{chat}")));
        assert_eq!(emissions[0].sequence, Some(1));
        assert_eq!(emissions[0].arguments(), json!([message]));
        assert_eq!(world.history(&world.ben, chat, ""), [message]);
    }

    #[test]
    fn text_is_absent_without_one_and_an_empty_file_is_fine() {
        let world = World::new();
        let chat = world.direct();
        let message = world.ask(&world.anna, form(chat, Some(("file", "empty", b"")))).json();
        assert_eq!(message.get("text"), None);
        assert_eq!(message["file"]["size"], 0);
        assert_eq!(message["file"]["data"], "");
        assert_eq!(world.history(&world.ben, chat, ""), [message]);
    }

    #[test]
    fn refusals_in_their_order() {
        let world = World::new();
        let chat = world.direct();
        let file = Some(("file", "a", b"abc".as_slice()));
        let without_chat = fake::post("/send-file").form(&[], file);
        let bad_chat = fake::post("/send-file").form(&[("chatId", "12")], file);
        let as_json = fake::post("/send-file").json(&json!({"chatId": chat}));
        let broken = fake::post("/send-file").body("multipart/form-data; boundary=x", "--y");
        let no_boundary = fake::post("/send-file").body("multipart/form-data", "x");
        for (who, request, status, message) in [
            (&world.anna, fake::post("/send-file"), 400, "No file provided"),
            (&world.anna, as_json, 400, "No file provided"),
            (&world.anna, form(chat, None), 400, "No file provided"),
            (&world.anna, form(chat, Some(("other", "a", b"abc"))), 400, "No file provided"),
            (&world.anna, without_chat, 400, "chatId is required"),
            (&world.anna, bad_chat, 400, "chatId must be a valid id"),
            (&world.anna, form(world.host.new_id(), file), 404, "Chat not found"),
            (&world.zoe, form(chat, file), 403, "Not authorized"),
            (&world.anna, broken, 400, "Form data is not valid"),
            (&world.anna, no_boundary, 400, "Form data is not valid"),
        ] {
            assert_eq!(world.refused(who, request), (status, message.to_owned()));
        }
        assert!(world.messages().is_empty());
    }

    #[test]
    fn exactly_five_megabytes_are_accepted_and_not_a_byte_more() {
        let world = World::new();
        let chat = world.direct();
        let mut bytes = vec![7_u8; MAX_FILE_BYTES + 1];
        let answer = world.ask(&world.anna, form(chat, Some(("file", "big", &bytes))));
        assert_eq!(answer.status, 413);
        bytes.pop();
        let answer = world.ask(&world.anna, form(chat, Some(("file", "big", &bytes))));
        assert_eq!(answer.status, 201);
        assert_eq!(world.messages()[0].file.as_ref().unwrap().size, 5 * 1024 * 1024);
    }

    #[test]
    fn sending_twice_stores_once() {
        let world = World::new();
        let chat = world.direct();
        let texts = [("chatId", &*chat.to_string()), ("clientMessageId", "c1")];
        let request = || fake::post("/send-file").form(&texts, Some(("file", "a", b"abc")));
        let one = world.ask(&world.anna, request());
        let two = world.ask(&world.anna, request());
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201));
        assert_eq!(one.json(), two.json());
        assert_eq!(world.messages().len(), 1);
    }
}
