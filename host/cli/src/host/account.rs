//! What a tenant has used and may use on this host, over all its releases.

use std::sync::Arc;

use pingtalk_capabilities::storage::{BoundedBlobs, BoundedDocuments, Spawn, Storage};
use pingtalk_runtime::Quota;
use pingtalk_sockets::SocketServer;
use pingtalk_tenancy::{assemble, control::TenantBudgets};

use super::compose::Stores;

/// On the thread of the call that found a measurement due.
const SPAWN: Spawn = |task| {
    tokio::spawn(task);
};

/// A tenant's account.
pub(crate) struct Account {
    pub(crate) quota: Arc<Quota>,
    pub(crate) storage: Arc<Storage>,
}

impl Account {
    pub(super) fn new(budgets: &TenantBudgets) -> Self {
        Self {
            quota: Arc::new(Quota::new(&budgets.quota())),
            storage: Arc::new(Storage::new(&budgets.storage())),
        }
    }

    /// Other bounds from now on.
    pub(super) fn set(&self, budgets: &TenantBudgets) {
        self.quota.set(&budgets.quota());
        self.storage.set(&budgets.storage());
    }

    /// The tenant's backends with the account in front of what is stored.
    pub(super) fn backends(
        &self,
        stores: &Stores,
        sockets: &Arc<SocketServer>,
    ) -> assemble::Backends {
        let (documents, storage) = (&stores.documents, &self.storage);
        assemble::Backends {
            documents: Arc::new(BoundedDocuments::new(
                Arc::clone(&documents.documents),
                Arc::clone(&documents.volume),
                Arc::clone(storage),
                SPAWN,
            )),
            cache: Arc::clone(&stores.cache),
            blobs: Arc::new(BoundedBlobs::new(
                Arc::clone(&stores.blobs),
                Arc::clone(storage),
                SPAWN,
            )),
            sockets: Arc::clone(sockets) as _,
        }
    }
}
