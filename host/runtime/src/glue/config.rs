//! `wasi:config/store`: the component's variables and secrets. Read from memory, so it can't fail.

use crate::{
    bindings::{
        pingtalk::{events, sockets},
        wasi::config::store::{self, Error},
    },
    state::State,
};

impl store::Host for &mut State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.pool.capabilities.variables.get(&key).map(str::to_owned)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let variables = self.pool.capabilities.variables.iter();
        Ok(Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

// Interfaces that hold types only.
impl events::types::Host for &mut State {}
impl sockets::types::Host for &mut State {}
