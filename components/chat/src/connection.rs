//! Who may chat with whom, `chatDB.connections`: one document for two users who accepted each
//! other, unique on `user1` + `user2`.

use pingtalk_sdk::prelude::*;

pub(crate) static CONNECTIONS: Collection<Connection> = Collection::new("chatDB", "connections");

/// The only status there is.
pub(crate) const ACCEPTED: &str = "accepted";

/// Two connected users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    /// The one whose id is smaller as text.
    pub(crate) user1: Id,
    pub(crate) user2: Id,
}
