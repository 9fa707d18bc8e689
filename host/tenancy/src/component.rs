//! A handle to a tenant's component that outlives releases: what the gateway, the socket server
//! and the event dispatcher hold.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use async_trait::async_trait;
use http_body_util::BodyExt;
use pingtalk_capabilities::{
    calls::{Body, CallContext, CallError, EventHandler, HttpHandler, SocketHandler},
    events::{Disposition, Event},
    sockets::{Ack, DisconnectReason, Handshake, Message, Refusal, Session, Socket},
};

use crate::{
    release::{Release, Ticket},
    tenant::Tenant,
};

/// One component of a tenant, whichever release is current.
pub struct ComponentHandle {
    tenant: Arc<Tenant>,
    name: String,
}

impl ComponentHandle {
    pub(crate) fn new(tenant: Arc<Tenant>, name: &str) -> Self {
        Self { tenant, name: name.to_owned() }
    }

    fn enter(&self, key: impl Hash) -> Result<(Arc<Release>, Ticket), CallError> {
        let key = || {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            hasher.finish()
        };
        self.tenant.enter(key).ok_or(CallError::ShuttingDown)
    }
}

/// What a client's requests have in common: its session, else its address.
fn client<'r>(
    context: &CallContext,
    request: &'r http::Request<Body>,
) -> (Option<&'r http::HeaderValue>, Option<std::net::IpAddr>) {
    let headers = request.headers();
    let session = headers.get(http::header::AUTHORIZATION).or(headers.get(http::header::COOKIE));
    (session, if session.is_some() { None } else { context.client })
}

/// Calls the component in the release that serves this key.
macro_rules! call {
    ($self:ident for $key:expr, $service:ident => $call:expr) => {{
        let (release, ticket) = $self.enter($key)?;
        let $service = release.service(&$self.name).ok_or(CallError::NotExported)?;
        let answer = $call.await;
        drop(ticket);
        answer
    }};
}

#[async_trait]
impl HttpHandler for ComponentHandle {
    async fn handle(
        &self,
        context: CallContext,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        let (release, ticket) = self.enter(client(&context, &request))?;
        let service = release.service(&self.name).ok_or(CallError::NotExported)?;
        let response = HttpHandler::handle(&**service, context, request).await?;
        let size = http_body::Body::size_hint(response.body()).exact();
        if size.is_some() {
            // The whole body is here: the instance has done its part.
            return Ok(response);
        }
        // The instance is still producing the body: the release must not go before it ends.
        Ok(response.map(|body| {
            body.map_frame(move |frame| {
                let _held = &ticket;
                frame
            })
            .boxed_unsync()
        }))
    }
}

#[async_trait]
impl EventHandler for ComponentHandle {
    async fn handle(&self, context: CallContext, event: Event) -> Result<Disposition, CallError> {
        call!(self for &event.id, service => EventHandler::handle(&**service, context, event))
    }
}

#[async_trait]
impl SocketHandler for ComponentHandle {
    async fn connect(
        &self,
        context: CallContext,
        handshake: Handshake,
    ) -> Result<Result<Session, Refusal>, CallError> {
        call!(self for &handshake.socket, service => service.connect(context, handshake))
    }

    async fn receive(
        &self,
        context: CallContext,
        socket: Socket,
        message: Message,
        wants_ack: bool,
    ) -> Result<Option<Ack>, CallError> {
        call!(self for &socket.id, service => service.receive(context, socket, message, wants_ack))
    }

    async fn disconnect(
        &self,
        context: CallContext,
        socket: Socket,
        reason: DisconnectReason,
    ) -> Result<(), CallError> {
        call!(self for &socket.id, service => service.disconnect(context, socket, reason))
    }
}
