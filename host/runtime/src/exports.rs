//! Finds what a component exports, each interface on its own: a component may have any of them.

use std::sync::Arc;

use wasmtime::{
    Store,
    component::{Accessor, Func, Instance, InstancePre},
};

use crate::{
    bindings::exports::pingtalk::{events, sockets},
    call::Call,
    component::HttpVersion,
    control::Place,
    http::{self, exports as http_exports},
    state::State,
};

/// A linked component, ready to be instantiated.
pub(crate) struct Exports {
    pre: InstancePre<State>,
    http: Option<Http<http_exports::v03::GuestIndices, http_exports::v02::GuestIndices>>,
    events: Option<events::handler::GuestIndices>,
    sockets: Option<sockets::handler::GuestIndices>,
}

enum Http<V03, V02> {
    V03(V03),
    V02(V02),
}

/// The functions of one instance.
pub(crate) struct Guest {
    http: Option<Http<http_exports::v03::Guest, http_exports::v02::Guest>>,
    events: Option<events::handler::Guest>,
    sockets: Option<sockets::handler::Guest>,
}

impl Exports {
    pub(crate) fn new(
        pre: InstancePre<State>,
        serves: crate::component::Serves,
    ) -> wasmtime::Result<Self> {
        Ok(Self {
            http: match serves.http {
                Some(HttpVersion::V03) => {
                    Some(Http::V03(http_exports::v03::GuestIndices::new(&pre)?))
                }
                Some(HttpVersion::V02) => {
                    Some(Http::V02(http_exports::v02::GuestIndices::new(&pre)?))
                }
                None => None,
            },
            events: serves.events.then(|| events::handler::GuestIndices::new(&pre)).transpose()?,
            sockets: serves
                .sockets
                .then(|| sockets::handler::GuestIndices::new(&pre))
                .transpose()?,
            pre,
        })
    }

    /// Its calls block their instance (WASI 0.2).
    pub(crate) fn blocking(&self) -> bool {
        matches!(self.http, Some(Http::V02(_)))
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        let instance: Instance = self.pre.instantiate_async(&mut *store).await?;
        Ok(Guest {
            http: match &self.http {
                Some(Http::V03(indices)) => Some(Http::V03(indices.load(&mut *store, &instance)?)),
                Some(Http::V02(indices)) => Some(Http::V02(indices.load(&mut *store, &instance)?)),
                None => None,
            },
            events: match &self.events {
                Some(indices) => Some(indices.load(&mut *store, &instance)?),
                None => None,
            },
            sockets: match &self.sockets {
                Some(indices) => Some(indices.load(&mut *store, &instance)?),
                None => None,
            },
        })
    }
}

impl Guest {
    /// Some function of the instance, to ask whether it is ready for a call.
    pub(crate) fn any(&self) -> Option<Func> {
        match (&self.http, &self.events, &self.sockets) {
            (Some(Http::V03(guest)), _, _) => Some(*guest.func_handle().func()),
            (Some(Http::V02(guest)), _, _) => Some(*guest.func_handle().func()),
            (None, Some(guest), _) => Some(*guest.func_handle().func()),
            (None, None, Some(guest)) => Some(*guest.func_receive().func()),
            (None, None, None) => None,
        }
    }

    /// Serves one call. An error ends the instance.
    pub(crate) async fn serve(
        &self,
        accessor: &Accessor<State>,
        call: Call,
        place: Place,
    ) -> wasmtime::Result<()> {
        match call {
            Call::Http { request, reply } => match &self.http {
                Some(Http::V03(guest)) => {
                    http::serve_v03(accessor, guest, request, place, reply).await
                }
                Some(Http::V02(guest)) => {
                    http::serve_v02(accessor, guest, request, place, reply).await
                }
                None => Ok(()),
            },
            Call::Event { event, reply } => {
                let Some(guest) = &self.events else { return Ok(()) };
                let function = guest.func_handle();
                let (answer,) = invoke(accessor, function, (event.into(),), &place).await?;
                let _ = reply.send(answer.into());
                Ok(())
            }
            Call::Connect { handshake, reply } => {
                let Some(guest) = &self.sockets else { return Ok(()) };
                let function = guest.func_connect();
                let (answer,) = invoke(accessor, function, (handshake.into(),), &place).await?;
                let _ = reply.send(answer.map(Into::into).map_err(Into::into));
                Ok(())
            }
            Call::Receive { socket, message, wants_ack, reply } => {
                let Some(guest) = &self.sockets else { return Ok(()) };
                let function = guest.func_receive();
                let parameters = (socket.into(), message.into(), wants_ack);
                let (answer,) = invoke(accessor, function, parameters, &place).await?;
                let _ = reply.send(answer.map(Into::into));
                Ok(())
            }
            Call::Disconnect { socket, reason, reply } => {
                let Some(guest) = &self.sockets else { return Ok(()) };
                let function = guest.func_disconnect();
                invoke(accessor, function, (socket.into(), reason.into()), &place).await?;
                let _ = reply.send(());
                Ok(())
            }
        }
    }
}

/// Calls a function, with its task on record as serving this call.
async fn invoke<Parameters, Answer>(
    accessor: &Accessor<State>,
    function: wasmtime::component::TypedFunc<Parameters, Answer>,
    parameters: Parameters,
    place: &Place,
) -> wasmtime::Result<Answer>
where
    Parameters: wasmtime::component::ComponentNamedList
        + wasmtime::component::Lower
        + Send
        + Sync
        + 'static,
    Answer:
        wasmtime::component::ComponentNamedList + wasmtime::component::Lift + Send + Sync + 'static,
{
    let call = accessor.with(|mut store| {
        let call = function.start_call_concurrent(&mut store, parameters)?;
        store.data_mut().begin(call.task(), Arc::clone(&place.ticket));
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let answer = function.finish_call_concurrent(accessor, call).await?;
    accessor.with(|mut store| store.data_mut().finish(task));
    Ok(answer)
}
