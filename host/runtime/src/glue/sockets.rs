//! `pingtalk:sockets/server`.

use std::sync::Arc;

use pingtalk_capabilities::sockets::{SocketError, Sockets};
use wasmtime::component::Accessor;

use super::{LATE, MISSING};
use crate::{
    bindings::pingtalk::sockets::server::{self, Error, Message, Target},
    state::{Host, Import, State, import},
};

fn sockets(import: &Import) -> Result<&Arc<dyn Sockets>, Error> {
    import.capabilities().sockets.as_ref().ok_or_else(|| Error::Denied(MISSING.to_owned()))
}

fn late() -> SocketError {
    SocketError::Unavailable(LATE.to_owned())
}

impl server::Host for &mut State {}

impl server::HostWithStore<State> for Host {
    async fn emit(
        accessor: &Accessor<State, Self>,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "sockets.emit")?;
        let sockets = match sockets(&import) {
            Ok(sockets) => sockets,
            Err(error) => return Ok(Err(error)),
        };
        let sent = sockets.emit(target.into(), message.into(), sequence, except);
        Ok(import.within(late, sent).await.map_err(Into::into))
    }

    async fn join(
        accessor: &Accessor<State, Self>,
        target: Target,
        room: String,
        hold: bool,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "sockets.join")?;
        let sockets = match sockets(&import) {
            Ok(sockets) => sockets,
            Err(error) => return Ok(Err(error)),
        };
        let joined = sockets.join(target.into(), &room, hold);
        Ok(import.within(late, joined).await.map_err(Into::into))
    }

    async fn release(
        accessor: &Accessor<State, Self>,
        target: Target,
        room: String,
        after: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "sockets.release")?;
        let sockets = match sockets(&import) {
            Ok(sockets) => sockets,
            Err(error) => return Ok(Err(error)),
        };
        let released = sockets.release(target.into(), &room, after);
        Ok(import.within(late, released).await.map_err(Into::into))
    }

    async fn leave(
        accessor: &Accessor<State, Self>,
        target: Target,
        room: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "sockets.leave")?;
        let sockets = match sockets(&import) {
            Ok(sockets) => sockets,
            Err(error) => return Ok(Err(error)),
        };
        let left = sockets.leave(target.into(), &room);
        Ok(import.within(late, left).await.map_err(Into::into))
    }

    async fn disconnect(
        accessor: &Accessor<State, Self>,
        target: Target,
        except: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "sockets.disconnect")?;
        let sockets = match sockets(&import) {
            Ok(sockets) => sockets,
            Err(error) => return Ok(Err(error)),
        };
        let gone = sockets.disconnect(target.into(), except);
        Ok(import.within(late, gone).await.map_err(Into::into))
    }
}
