//! Chats, their messages, and live delivery.
//!
//! This file is the table of routes, socket events and queue events; each behaviour has a file
//! of its own. Nothing that matters is kept between calls: the host owns the sockets, documents
//! hold chats, messages and connections.
//!
//! A message's way: [`sockets::send_message`] or [`send_file`] checks the sender, [`send`] stores
//! it and emits it to the chat's room, [`history`] reads it back for [`messages`] and for a
//! socket that catches up ([`sockets::join_chat`]).

mod add_to_group;
mod adopt;
mod budget;
mod chat;
mod connection;
mod content_disposition;
mod conversation;
mod create_direct;
mod create_group;
mod file_data;
mod file_download;
mod file_type;
mod group;
mod history;
mod leave_group;
mod message;
mod messages;
mod my_chats;
mod permission;
mod refusals;
mod remove_from_group;
mod request_accepted;
mod send;
mod send_file;
mod sockets;

#[cfg(test)]
mod testing;

use pingtalk_sdk::{Platform, prelude::*};

pingtalk_sdk::service! { http: routes, events: on_event, sockets: sockets::Chat }

/// The prefix under which the gateway serves this service. URLs handed to clients carry it.
const PREFIX: &str = "/chat";

fn routes() -> Router {
    Router::new()
        .post("/create-direct", create_direct::create_direct)
        .post("/create-group", create_group::create_group)
        .put("/add-to-group", add_to_group::add_to_group)
        .put("/remove-from-group", remove_from_group::remove_from_group)
        .put("/leave-group", leave_group::leave_group)
        .get("/my-chats", my_chats::my_chats)
        .get("/messages/:chatId", messages::messages)
        .post("/send-file", send_file::send_file)
        .get("/files/:messageId", file_download::file_download)
        // The two whose URLs are handed out, once more with the prefix: on the service's own
        // port nothing strips it.
        .get("/chat/messages/:chatId", messages::messages)
        .get("/chat/files/:messageId", file_download::file_download)
}

async fn on_event(platform: Platform, event: Event) -> Result<Disposition> {
    match event.topic.as_str() {
        request_accepted::TOPIC => request_accepted::request_accepted(&platform, &event).await,
        other => Ok(Disposition::Reject(format!("nothing here consumes {other}"))),
    }
}
