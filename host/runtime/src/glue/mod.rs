//! Answers guests' imports with the capabilities they were granted. One file per capability.
//!
//! Every import is concurrent: while one waits for its backend, the instance serves other calls.

mod blobs;
mod cache;
mod config;
mod documents;
mod sockets;
mod writes;

use wasmtime::component::Linker;

use crate::{
    bindings::{pingtalk, wasi},
    capabilities::Capabilities,
    component::{Component, LoadError},
    state::{Host, State},
};

/// Offers every capability to the linker. Which of them a component has is checked before (see
/// [`check_grants`]) and again at each call.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    writes::link(linker)?;
    pingtalk::documents::store::add_to_linker::<State, Host>(linker, |state| state)?;
    pingtalk::cache::store::add_to_linker::<State, Host>(linker, |state| state)?;
    pingtalk::blobs::store::add_to_linker::<State, Host>(linker, |state| state)?;
    pingtalk::events::types::add_to_linker::<State, Host>(linker, |state| state)?;
    pingtalk::sockets::types::add_to_linker::<State, Host>(linker, |state| state)?;
    pingtalk::sockets::server::add_to_linker::<State, Host>(linker, |state| state)?;
    wasi::config::store::add_to_linker::<State, Host>(linker, |state| state)
}

/// Refuses a component that imports a capability it does not have.
pub(crate) fn check_grants(
    component: &Component,
    capabilities: &Capabilities,
) -> Result<(), LoadError> {
    let grants = [
        ("pingtalk:documents/store", "documents", capabilities.documents.is_some()),
        ("pingtalk:cache/store", "cache", capabilities.cache.is_some()),
        ("pingtalk:blobs/store", "blobs", capabilities.blobs.is_some()),
        ("pingtalk:sockets/server", "sockets", capabilities.sockets.is_some()),
    ];
    for import in component.imports() {
        let interface = import.split('@').next().unwrap_or_default();
        for (name, grant, granted) in grants {
            if interface == name && !granted {
                return Err(LoadError::NotGranted {
                    name: component.name().into(),
                    import: import.as_str().into(),
                    grant,
                });
            }
        }
    }
    Ok(())
}

/// The text of an import's error when its call's deadline came first.
const LATE: &str = "the call's deadline passed";
/// The text of an import's error when the capability is missing after all.
const MISSING: &str = "this component was not granted the capability";
