//! The transport of [`crate::internal`]: the caller's side through Spin's local routing, and the
//! callee's, in front of its own routes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    bindings::{
        capabilities::pingtalk::sockets::types as sockets,
        capabilities::wasi::{clocks::monotonic_clock, config::store as config},
        events::exports::pingtalk::events::handler as wit,
    },
    clock, random,
};
use crate::{
    Body, Response, ResponseBody,
    internal::{
        AckPart, Binary, Call, ConnectCall, ConnectEnd, DisconnectCall, EventCall, EventEnd,
        PREFIX, ReceiveCall, SIGNATURE, SocketPart, is_signed, sign,
    },
    outbound::{Limits, OutboundRequest},
};

/// The variable that the application's components share.
const SECRET: &str = "jwt_secret";
/// Largest call: what a client sends at most, its attachments in hex.
const MAX_CALL_BYTES: usize = 4 * 1024 * 1024;
/// Largest answer: an ack with attachments.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What a component answers besides its routes.
pub trait Internal {
    /// Handles an event; none if it consumes none.
    fn event(_event: wit::Event) -> impl Future<Output = Option<wit::Disposition>> {
        std::future::ready(None)
    }

    /// Decides about a socket; none if it serves none.
    fn connect(
        _handshake: sockets::Handshake,
    ) -> impl Future<Output = Option<Result<sockets::Session, sockets::Refusal>>> {
        std::future::ready(None)
    }

    /// Handles an event of a socket; none if it serves none.
    fn receive(
        _socket: sockets::Socket,
        _message: sockets::Message,
        _wants_ack: bool,
    ) -> impl Future<Output = Option<Option<sockets::Ack>>> {
        std::future::ready(None)
    }

    /// Hears that a socket is gone; none if it serves none.
    fn disconnect(
        _socket: sockets::Socket,
        _reason: sockets::DisconnectReason,
    ) -> impl Future<Output = Option<()>> {
        std::future::ready(None)
    }
}

/// Calls a component.
///
/// # Errors
/// Why there is no answer, in words for an operator.
pub async fn call<C: Call>(
    component: &str,
    call: &C,
    timeout: Duration,
) -> Result<C::Answer, String> {
    let body = serde_json::to_vec(call).map_err(|error| error.to_string())?;
    let now = clock::now().unix_seconds();
    let signature = sign(&secret(), C::NAME, now, &body)
        .ok_or_else(|| format!("calls between components need the variable {SECRET}"))?;
    let mut headers = HeaderMap::new();
    let signature = HeaderValue::from_str(&signature).map_err(|error| error.to_string())?;
    headers.insert(HeaderName::from_static(SIGNATURE), signature);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = OutboundRequest {
        method: Method::POST,
        url: format!("http://{component}.spin.internal{PREFIX}{}", C::NAME),
        headers,
        body: body.into(),
        limits: Limits { timeout, max_bytes: MAX_ANSWER_BYTES },
    };
    let response = super::outbound::send(request).await.map_err(|error| error.to_string())?;
    if response.status != StatusCode::OK {
        return Err(format!("{component} answered {}", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|error| error.to_string())
}

/// The application's secret; empty where there is none, and nothing is signed with that.
fn secret() -> String {
    variable(SECRET).unwrap_or_default()
}

/// A variable of the component; none if it is not set or can't be read.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    config::get(name).ok().flatten()
}

/// Waits.
pub async fn pause(time: Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanoseconds).await;
}

/// So many random bytes as hex, for names that must not be guessed.
#[must_use]
pub fn random_hex(length: usize) -> String {
    crate::percent::hex(&random::bytes(length))
}

/// Four random bytes as a number.
#[must_use]
pub fn random_number() -> u32 {
    let bytes = random::bytes(4);
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The answer to a call of this kind; none if the request is an ordinary one.
pub(super) async fn answer<I: Internal>(
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Option<Response> {
    let name = target.strip_prefix(PREFIX)?;
    let body = body.take()?;
    let refused = |status| {
        let body = ResponseBody::Bytes(Bytes::new());
        Some(Response { status, headers: HeaderMap::new(), body })
    };
    // To everybody else there is nothing here.
    let (Some(signature), &Method::POST) = (headers.get(SIGNATURE), method) else {
        return refused(StatusCode::NOT_FOUND);
    };
    let Ok(body) = body.collect(MAX_CALL_BYTES).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let now = clock::now().unix_seconds();
    let signature = signature.to_str().unwrap_or_default();
    if !is_signed(&secret(), name, now, &body, signature) {
        return refused(StatusCode::NOT_FOUND);
    }
    let answer = match name {
        EventCall::NAME => event::<I>(&body).await.map(|end| Response::ok(&end)),
        ConnectCall::NAME => connect::<I>(&body).await.map(|end| Response::ok(&end)),
        ReceiveCall::NAME => receive::<I>(&body).await.map(|end| Response::ok(&end)),
        DisconnectCall::NAME => disconnect::<I>(&body).await.map(|()| Response::ok(&())),
        _ => None,
    };
    answer.or_else(|| refused(StatusCode::NOT_IMPLEMENTED))
}

async fn connect<I: Internal>(body: &[u8]) -> Option<ConnectEnd> {
    let call: ConnectCall = serde_json::from_slice(body).ok()?;
    let handshake = sockets::Handshake {
        socket: call.socket,
        namespace: call.namespace,
        cookie: call.cookie,
        auth: call.auth,
        remote_address: call.remote_address,
        query: call.query,
    };
    Some(match I::connect(handshake).await? {
        Ok(session) => ConnectEnd::Session {
            user: session.user,
            attachment: Binary(session.attachment),
            rooms: session.rooms,
        },
        Err(refusal) => ConnectEnd::Refusal { message: refusal.message, data: refusal.data },
    })
}

async fn receive<I: Internal>(body: &[u8]) -> Option<Option<AckPart>> {
    let call: ReceiveCall = serde_json::from_slice(body).ok()?;
    let message = sockets::Message {
        name: call.name,
        arguments: call.arguments,
        attachments: call.attachments.into_iter().map(|bytes| bytes.0).collect(),
    };
    let ack = I::receive(socket(call.socket), message, call.wants_ack).await?;
    Some(ack.map(|ack| AckPart {
        arguments: ack.arguments,
        attachments: ack.attachments.into_iter().map(Binary).collect(),
    }))
}

async fn disconnect<I: Internal>(body: &[u8]) -> Option<()> {
    let call: DisconnectCall = serde_json::from_slice(body).ok()?;
    let reason = match call.reason.as_str() {
        "client" => sockets::DisconnectReason::Client,
        "server" => sockets::DisconnectReason::Server,
        "overflow" => sockets::DisconnectReason::Overflow,
        "shutdown" => sockets::DisconnectReason::Shutdown,
        _ => sockets::DisconnectReason::Transport,
    };
    I::disconnect(socket(call.socket), reason).await
}

fn socket(socket: SocketPart) -> sockets::Socket {
    sockets::Socket {
        id: socket.id,
        namespace: socket.namespace,
        user: socket.user,
        attachment: socket.attachment.0,
    }
}

async fn event<I: Internal>(body: &[u8]) -> Option<EventEnd> {
    let call: EventCall = serde_json::from_slice(body).ok()?;
    let event = wit::Event {
        id: call.id,
        topic: call.topic,
        payload: call.payload.into_bytes(),
        attempt: call.attempt,
        published_at: call.published_at,
    };
    Some(match I::event(event).await? {
        wit::Disposition::Done => EventEnd::Done,
        wit::Disposition::Retry(reason) => EventEnd::Retry(reason),
        wit::Disposition::Reject(reason) => EventEnd::Reject(reason),
    })
}
