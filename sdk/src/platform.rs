//! The handle through which a service reaches its host's capabilities.

use std::{cell::OnceCell, rc::Rc};

#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::{
    Result, VariableError,
    blobs::Blobs,
    cache::Cache,
    documents::{Date, Documents, Id, Outcomes, Transaction},
    outbound::Outbound,
    session::Keys,
    sockets::Sockets,
};

/// The host that handles hold. On wasm it is known at compile time: a call through a vtable would
/// keep every import in every component, and a component must import only what it uses.
#[cfg(target_family = "wasm")]
pub(crate) type ThisHost = crate::wasm::WasmHost;
/// The host that handles hold: whatever a test brings.
#[cfg(not(target_family = "wasm"))]
pub(crate) type ThisHost = Box<dyn crate::Host>;

/// A host's capabilities. Cheap to clone; one lives as long as its instance.
#[derive(Clone)]
pub struct Platform {
    shared: Rc<Shared>,
}

struct Shared {
    host: ThisHost,
    /// Made from the secret on first use: reading and preparing it costs more than a lookup.
    keys: OnceCell<Keys>,
}

impl Platform {
    /// A handle to the host a component runs on.
    #[cfg(target_family = "wasm")]
    pub(crate) fn new(host: ThisHost) -> Self {
        Self { shared: Rc::new(Shared { host, keys: OnceCell::new() }) }
    }

    /// A handle to a host of a test's own.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn new(host: Box<dyn crate::Host>) -> Self {
        Self { shared: Rc::new(Shared { host, keys: OnceCell::new() }) }
    }

    fn host(&self) -> &ThisHost {
        &self.shared.host
    }

    /// The document store.
    #[must_use]
    pub fn documents(&self) -> Documents<'_> {
        Documents::new(self.host())
    }

    /// Makes a transaction's writes and publishes its events, all or nothing.
    ///
    /// # Errors
    /// As [`Documents::commit`].
    pub async fn commit(
        &self,
        transaction: Transaction,
    ) -> Result<Outcomes, crate::documents::DocumentError> {
        self.documents().commit(transaction).await
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> Cache<'_> {
        Cache::new(self.host())
    }

    /// The blob store.
    #[must_use]
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self.host())
    }

    /// The tenant's sockets.
    #[must_use]
    pub fn sockets(&self) -> Sockets<'_> {
        Sockets::new(self.host())
    }

    /// Requests to other servers.
    #[must_use]
    pub fn http(&self) -> Outbound<'_> {
        Outbound::new(self.host())
    }

    /// A variable that must be set.
    ///
    /// # Errors
    /// [`VariableError`] when it is not set or can't be read.
    pub fn variable(&self, name: &str) -> Result<String, VariableError> {
        self.host().variable(name)?.ok_or_else(|| VariableError::Missing(name.to_owned()))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Date {
        self.host().now()
    }

    /// A new document id: the time and eight random bytes, which makes it as unlikely to clash
    /// as MongoDB's own.
    #[must_use]
    pub fn new_id(&self) -> Id {
        let mut bytes = [0; 12];
        let seconds = u32::try_from(self.now().unix_seconds()).unwrap_or(0);
        let random = self.host().random(8);
        let parts = seconds.to_be_bytes().into_iter().chain(random);
        for (byte, value) in bytes.iter_mut().zip(parts) {
            *byte = value;
        }
        Id::from_bytes(bytes)
    }

    /// `length` random bytes, fit for secrets.
    #[must_use]
    pub fn random(&self, length: usize) -> Vec<u8> {
        self.host().random(length)
    }

    /// `length` random bytes as hex, for names that must not be guessed.
    #[must_use]
    pub fn random_hex(&self, length: usize) -> String {
        crate::percent::hex(&self.host().random(length))
    }

    /// The keys that sign and check tokens.
    pub(crate) fn keys(&self) -> Result<&Keys, VariableError> {
        if let Some(keys) = self.shared.keys.get() {
            return Ok(keys);
        }
        let keys = Keys::new(&self.variable("jwt_secret")?)?;
        Ok(self.shared.keys.get_or_init(|| keys))
    }
}
