//! Calls the component for one socket: one call at a time, in the order in which the client sent.
//!
//! A task exists only while there is something to do, so an idle socket costs none.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use pingtalk_capabilities::{
    calls::{CallContext, CallError, SocketHandler},
    sockets::{
        Ack, DisconnectReason, Handshake, MAX_ATTACHMENT_BYTES, MAX_ROOM_BYTES, MAX_ROOMS, Message,
        Refusal, Session, Socket,
    },
    trace::{Kind, Trace},
};
use tokio::time::timeout_at;

use crate::{
    peer::{Item, Peer},
    replies,
};

/// Longest user id, in bytes.
const MAX_USER_BYTES: usize = 200;

/// Works through a socket's inbox until it is empty.
pub(crate) async fn work(peer: Arc<Peer>) {
    loop {
        let item = {
            let mut inbox = peer.inbox.lock();
            let Some(item) = inbox.items.pop_front() else {
                inbox.busy = false;
                return;
            };
            item
        };
        match item {
            Item::Connect { auth } => connect(&peer, auth).await,
            Item::Event { message, ack, bytes } => {
                receive(&peer, message, ack).await;
                peer.backlog.done(bytes);
            }
            Item::Gone(reason) => gone(&peer, reason).await,
        }
    }
}

async fn connect(peer: &Arc<Peer>, auth: Option<String>) {
    let opening = peer.link.opening();
    let handshake = Handshake {
        socket: Arc::clone(&peer.id),
        namespace: peer.core.spellings.namespace(peer.spelling).to_string(),
        cookie: opening.cookie.clone(),
        auth,
        remote_address: opening.remote_address.clone(),
        query: opening.query.clone(),
    };
    let decided = call(peer, "socket connect", |handler, context| async move {
        handler.connect(context, handshake).await
    });
    let refusal = match decided.await {
        Ok(Ok(session)) => match accept(peer, session) {
            Ok(()) => return peer.settled(),
            Err(refusal) => refusal,
        },
        Ok(Err(refusal)) => refusal,
        Err(_) => replies::connect_failed(),
    };
    peer.refuse(pingtalk_packets::connect_error(peer.namespace(), &refusal).into());
}

/// Makes a socket of what the component decided. It is told that the socket is gone if this
/// fails.
fn accept(peer: &Arc<Peer>, session: Session) -> Result<(), Refusal> {
    let socket = Socket {
        id: Arc::clone(&peer.id),
        namespace: peer.core.spellings.namespace(peer.spelling),
        user: Arc::from(session.user),
        attachment: session.attachment,
    };
    let oversized = socket.attachment.len() > MAX_ATTACHMENT_BYTES
        || socket.user.len() > MAX_USER_BYTES
        || session.rooms.len() > MAX_ROOMS
        || session.rooms.iter().any(|room| room.is_empty() || room.len() > MAX_ROOM_BYTES);
    let user = Arc::clone(&socket.user);
    // Only this call sets it, once.
    let _ = peer.socket.set(socket);
    if oversized {
        tracing::warn!("a component's session exceeds the bounds of user id, attachment or rooms");
        return Err(replies::connect_failed());
    }
    if !peer.core.registry.enter_user(&user, peer, peer.core.config.max_sockets_per_user) {
        return Err(replies::too_many_sockets());
    }
    for room in &session.rooms {
        if let Err(error) = peer.core.join(peer, room, false) {
            tracing::warn!(%error, "a socket could not join its first rooms");
            return Err(replies::connect_failed());
        }
    }
    if peer.is_gone() {
        // It went while the component decided: it was taken out of everything before it was in.
        peer.core.registry.remove(peer);
    } else {
        peer.welcome();
    }
    Ok(())
}

async fn receive(peer: &Arc<Peer>, message: Message, ack: Option<u64>) {
    let Some(socket) = peer.socket.get().cloned() else { return };
    let answered = call(peer, "socket event", |handler, context| async move {
        handler.receive(context, socket, message, ack.is_some()).await
    });
    let answer = match (answered.await, ack) {
        (Ok(Some(answer)), Some(id)) => acknowledge(peer, id, answer),
        (Ok(_), _) => return,
        (Err(_), _) => replies::event_failed(peer.namespace()),
    };
    if let Some(frame) = answer {
        peer.send_or_end(frame);
    }
}

fn acknowledge(peer: &Peer, id: u64, answer: Ack) -> Option<crate::transport::Outgoing> {
    match pingtalk_packets::ack(peer.namespace(), id, answer) {
        Ok(frame) => Some(frame.into()),
        Err(error) => {
            tracing::warn!(reason = error.0, "a component's ack is no JSON array");
            replies::event_failed(peer.namespace())
        }
    }
}

async fn gone(peer: &Arc<Peer>, reason: DisconnectReason) {
    if let Some(socket) = peer.socket.get().cloned() {
        // There is nobody to tell of a failure, and it was logged where it happened.
        let _ = call(peer, "socket disconnect", |handler, context| async move {
            handler.disconnect(context, socket, reason).await
        })
        .await;
    }
    peer.core.left();
    peer.backlog.left();
}

/// One call, within its deadline. A panic in it counts as a failure: this task must go on.
async fn call<T, F>(
    peer: &Peer,
    name: &'static str,
    make: impl FnOnce(Arc<dyn SocketHandler>, CallContext) -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>> + Send,
{
    let handler = peer.core.handler().ok_or(CallError::ShuttingDown)?;
    let deadline = Instant::now() + peer.core.config.handler_deadline;
    let opening = peer.link.opening();
    let span = Trace::root(Kind::Server, || name.into());
    if span.recording() {
        span.set("pingtalk.socket", Arc::clone(&peer.id));
    }
    let context = CallContext {
        request_id: peer.core.request_id(&peer.id),
        client: opening.remote_address.parse().ok(),
        secure: opening.secure,
        deadline,
        trace: span.trace().clone(),
    };
    let work = AssertUnwindSafe(make(handler, context)).catch_unwind();
    let result = match timeout_at(deadline.into(), work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(CallError::Failed(Arc::from("panicked"))),
        Err(_) => Err(CallError::DeadlineExceeded),
    };
    if let Err(error) = &result {
        span.fail(error.to_string());
    }
    result
}
