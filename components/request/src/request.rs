//! The request document, `requestDB.requests`.
//!
//! Two unique indexes decide every race: one on `fromUserId` + `toUserId`, so that a direction
//! has one document, and a sparse one on `pair`, so that of two crossing invites one exists.
//! Documents that the original wrote have no `pair`; `invite_send` looks before it writes.

use pingtalk_sdk::prelude::*;

/// Sent along with every invite.
pub(crate) const DEFAULT_MESSAGE: &str = "Hi! Let's connect on chat.";

pub(crate) static REQUESTS: Collection<Request> = Collection::new("requestDB", "requests");

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Accepted,
    Rejected,
}

impl Status {
    /// As stored and as clients see it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// One user's invite to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    #[serde(rename = "_id")]
    pub(crate) id: Id,
    pub(crate) from_user_id: Id,
    pub(crate) to_user_id: Id,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) invite_sent: bool,
    #[serde(default)]
    pub(crate) email_sent: bool,
    pub(crate) created_at: Date,
    pub(crate) updated_at: Date,
    /// See [`pair`]; there while the request is pending or accepted. Written but never read, so
    /// that what was read can go to a client as it is.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) pair: Option<String>,
}

impl Request {
    /// A pending request that has not been stored yet.
    pub(crate) fn new(id: Id, from: Id, to: Id, now: Date) -> Self {
        Self {
            id,
            from_user_id: from,
            to_user_id: to,
            status: Status::Pending,
            message: DEFAULT_MESSAGE.to_owned(),
            invite_sent: false,
            email_sent: false,
            created_at: now,
            updated_at: now,
            pair: Some(pair(from, to)),
        }
    }
}

/// Names two users in either order: `smaller:larger`.
pub(crate) fn pair(one: Id, other: Id) -> String {
    let (smaller, larger) = if one <= other { (one, other) } else { (other, one) };
    format!("{smaller}:{larger}")
}
