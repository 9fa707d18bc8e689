//! Every text this crate itself sends to clients of a namespace.

use std::sync::Arc;

use pingtalk_capabilities::sockets::{Message, Refusal};

use crate::transport::Outgoing;

/// The component failed, or its release is being replaced.
const INTERNAL: &str = "Internal error, please try again";

fn refusal(message: &str) -> Refusal {
    Refusal { message: message.to_owned(), data: None }
}

/// No such namespace.
pub(crate) fn invalid_namespace() -> Refusal {
    refusal("Invalid namespace")
}

/// The component could not decide about a connection.
pub(crate) fn connect_failed() -> Refusal {
    refusal(INTERNAL)
}

/// One user too often.
pub(crate) fn too_many_sockets() -> Refusal {
    refusal("Too many connections")
}

/// The `error` event for an event that could not be handled.
pub(crate) fn event_failed(namespace: &str) -> Option<Outgoing> {
    let message = Message {
        name: "error".to_owned(),
        arguments: format!("[\"{INTERNAL}\"]"),
        attachments: Vec::new(),
    };
    pingtalk_packets::event(namespace, &message, &Arc::from([])).ok().map(Into::into)
}
