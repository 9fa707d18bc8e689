//! Calls to the component that serves sockets.

use std::time::Duration;

use pingtalk_packets::Message;
use pingtalk_sdk::internal::{
    self, AckPart, Binary, ConnectCall, ConnectEnd, DisconnectCall, ReceiveCall, SocketPart,
};

use crate::{
    session::{Opened, Socket},
    settings::Settings,
};

/// How long one call may take: as with our own host.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks about a client that wants to connect.
pub(crate) async fn connect(
    settings: &Settings,
    opened: &Opened,
    socket: &str,
    namespace: &str,
    auth: Option<String>,
) -> Result<ConnectEnd, String> {
    let call = ConnectCall {
        socket: socket.to_owned(),
        namespace: namespace.to_owned(),
        cookie: (!opened.cookie.is_empty()).then(|| opened.cookie.clone()),
        auth,
        remote_address: opened.address.clone(),
        query: opened.query.clone(),
    };
    internal::call(&settings.component, &call, DEADLINE).await
}

/// Hands over an event.
pub(crate) async fn receive(
    settings: &Settings,
    socket: Socket,
    message: Message,
    wants_ack: bool,
) -> Result<Option<AckPart>, String> {
    let call = ReceiveCall {
        socket: part(socket),
        name: message.name,
        arguments: message.arguments,
        attachments: message.attachments.into_iter().map(|it| Binary(it.into())).collect(),
        wants_ack,
    };
    internal::call(&settings.component, &call, DEADLINE).await
}

/// Tells that a socket is gone.
pub(crate) async fn disconnect(
    settings: &Settings,
    socket: Socket,
    reason: String,
) -> Result<(), String> {
    let call = DisconnectCall { socket: part(socket), reason };
    internal::call(&settings.component, &call, DEADLINE).await
}

fn part(socket: Socket) -> SocketPart {
    SocketPart {
        id: socket.id,
        namespace: socket.namespace,
        user: socket.user,
        attachment: Binary(socket.attachment),
    }
}
