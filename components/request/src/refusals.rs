//! Every refusal a client of this service can see, with the contract's words.

use pingtalk_sdk::Error;

pub(crate) fn to_email_required() -> Error {
    Error::bad_request("toEmail is required")
}

pub(crate) fn user_not_found() -> Error {
    Error::not_found("User not found!")
}

pub(crate) fn to_yourself() -> Error {
    Error::bad_request("You cannot send request to yourself")
}

pub(crate) fn invite_exists() -> Error {
    Error::bad_request("Invite request already exists")
}

pub(crate) fn status_required() -> Error {
    Error::bad_request("status is required")
}

pub(crate) fn unknown_status() -> Error {
    Error::bad_request("status must be 'accepted' or 'rejected'")
}

/// Also for everyone but the recipient: whether a request exists is between its two users.
pub(crate) fn not_found_or_answered() -> Error {
    Error::not_found("Request not found or already responded")
}

pub(crate) fn request_not_found() -> Error {
    Error::not_found("Request not found")
}

pub(crate) fn not_yours_to_cancel() -> Error {
    Error::forbidden("You are not allowed to cancel this request")
}

pub(crate) fn only_pending() -> Error {
    Error::bad_request("Only pending requests can be cancelled")
}
