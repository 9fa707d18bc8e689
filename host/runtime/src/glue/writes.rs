//! Guests' writes to their WASI 0.2 streams, stdout and stderr among them, so that a log line names
//! the request that wrote it. The stock functions know the stream but not who writes.

use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource, ResourceTable},
};
use wasmtime_wasi::p2::{DynOutputStream, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::streams::{Host, HostOutputStream, StreamError};

use crate::state::State;

type Stream = Resource<DynOutputStream>;
type Written = (Result<(), StreamError>,);

/// Replaces the stock functions by which a guest writes.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap(
        "[method]output-stream.write",
        |mut store: StoreContextMut<'_, State>, (stream, bytes): (Stream, Vec<u8>)| {
            let table = writes(&mut store)?;
            let written = table.write(stream, bytes);
            answer(table, written)
        },
    )?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: StoreContextMut<'_, State>, (stream, bytes): (Stream, Vec<u8>)| {
            Box::new(async move {
                let table = writes(&mut store)?;
                let written = table.blocking_write_and_flush(stream, bytes).await;
                answer(table, written)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn writes<'a>(
    store: &'a mut StoreContextMut<'_, State>,
) -> wasmtime::Result<&'a mut ResourceTable> {
    let task = store.async_call_stack()?.last();
    Ok(store.data_mut().writes(task))
}

fn answer(table: &mut ResourceTable, written: StreamResult<()>) -> wasmtime::Result<Written> {
    Ok((match written {
        Ok(()) => Ok(()),
        Err(error) => Err(table.convert_stream_error(error)?),
    },))
}
