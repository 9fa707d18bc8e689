//! Every refusal a client of this service can see, over HTTP or a socket, with the contract's
//! words.

use pingtalk_sdk::Error;

pub(crate) fn receiver_required() -> Error {
    Error::bad_request("Receiver ID required")
}

pub(crate) fn chat_with_yourself() -> Error {
    Error::bad_request("Cannot chat with yourself")
}

pub(crate) fn not_connected() -> Error {
    Error::forbidden("Users are not connected")
}

pub(crate) fn name_and_participants_required() -> Error {
    Error::bad_request("Group name and participants array are required")
}

pub(crate) fn name_too_long(max: usize) -> Error {
    Error::bad_request(format!("name must have at most {max} characters"))
}

pub(crate) fn too_few_participants() -> Error {
    Error::bad_request("A group must have at least 2 other participants")
}

pub(crate) fn too_many_participants(max: usize) -> Error {
    Error::bad_request(format!("A group can have at most {max} participants"))
}

pub(crate) fn too_many_chats(max: u32) -> Error {
    Error::forbidden(format!("You can be in at most {max} chats"))
}

pub(crate) fn chat_and_user_to_add_required() -> Error {
    Error::bad_request("Chat ID and User ID to add are required")
}

pub(crate) fn chat_and_user_to_remove_required() -> Error {
    Error::bad_request("Chat ID and User ID to remove are required")
}

pub(crate) fn chat_required() -> Error {
    Error::bad_request("Chat ID is required")
}

/// Also for a direct chat.
pub(crate) fn group_not_found() -> Error {
    Error::not_found("Group chat not found")
}

pub(crate) fn only_admins_add() -> Error {
    Error::forbidden("Only admins can add users to this group")
}

pub(crate) fn only_admins_remove() -> Error {
    Error::forbidden("Only admins can remove users from this group")
}

pub(crate) fn already_in_group() -> Error {
    Error::bad_request("User is already in the group")
}

pub(crate) fn leave_instead() -> Error {
    Error::bad_request("Use the /leave-group route to leave the chat")
}

pub(crate) fn not_in_group() -> Error {
    Error::bad_request("You are not a participant in this group")
}

pub(crate) fn no_file() -> Error {
    Error::bad_request("No file provided")
}

pub(crate) fn chat_id_required() -> Error {
    Error::bad_request("chatId is required")
}

pub(crate) fn chat_not_found() -> Error {
    Error::not_found("Chat not found")
}

pub(crate) fn not_authorized() -> Error {
    Error::forbidden("Not authorized")
}

/// As the refusal of a socket that connects with such a token.
pub(crate) fn session_ended() -> Error {
    Error::unauthorized("Unauthorized - Invalid or expired token")
}

pub(crate) fn file_not_found() -> Error {
    Error::not_found("File not found")
}

pub(crate) fn text_too_long(max: usize) -> Error {
    Error::bad_request(format!("text must have at most {max} bytes"))
}

pub(crate) fn bad_client_message_id(max: usize) -> Error {
    Error::bad_request(format!("clientMessageId must have 1 to {max} bytes"))
}

pub(crate) fn bad_limit(max: u32) -> Error {
    Error::bad_request(format!("limit must be a number from 1 to {max}"))
}

pub(crate) fn bad_inline() -> Error {
    Error::bad_request("inline must be true or false")
}

/// `name` is the parameter that held it.
pub(crate) fn bad_cursor(name: &str) -> Error {
    Error::bad_request(format!("{name} must be a sequence number or the id of a message"))
}

/// The text of the ack to an empty message, which is otherwise ignored.
pub(crate) const EMPTY_MESSAGE: &str = "Message is empty";

/// The text of the ack to an event that nobody handles.
pub(crate) const UNKNOWN_EVENT: &str = "Unknown event";
