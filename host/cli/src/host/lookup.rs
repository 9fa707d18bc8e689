//! From a request's host name to its tenant's routes.

use std::sync::Arc;

use pingtalk_capabilities::{TenantId, calls::CallError};
use pingtalk_gateway::{Found, Site, Sites};
use pingtalk_tenancy::{Directory, Entry};

use super::{open::TenantOpener, tenant::OpenTenant};

type Tenants = Arc<Directory<TenantOpener>>;

/// The gateway's port: a tenant for each host name.
pub(super) struct TenantSites(pub(super) Tenants);

impl Sites for TenantSites {
    fn site(&self, host: Option<&str>) -> Found {
        match self.0.find(host) {
            Some(entry) => look(&self.0, entry, |tenant| Some(tenant.site())),
            None => Found::Nowhere,
        }
    }
}

/// A port of one component of the default tenant.
pub(super) struct DirectSites {
    pub(super) directory: Tenants,
    pub(super) component: String,
}

impl Sites for DirectSites {
    fn site(&self, _host: Option<&str>) -> Found {
        let Some(entry) = self.directory.tenant(TenantId::DEFAULT) else { return Found::Nowhere };
        let component = self.component.clone();
        look(&self.directory, entry, move |tenant| tenant.direct(&component))
    }
}

/// The site of an open tenant; of one that is not open, once it is.
fn look(
    directory: &Tenants,
    entry: Arc<Entry<TenantOpener>>,
    site: impl Fn(&OpenTenant) -> Option<Arc<Site>> + Send + 'static,
) -> Found {
    if entry.record().suspended {
        return Found::Waking(Box::pin(async { Err(CallError::ShuttingDown) }));
    }
    if let Some(tenant) = entry.open() {
        return site(&tenant).map_or(Found::Nowhere, Found::Here);
    }
    let directory = Arc::clone(directory);
    Found::Waking(Box::pin(async move {
        // The directory has logged why; a client learns only that it is not there now.
        let tenant = directory.wake(&entry).await.map_err(|_| CallError::ShuttingDown)?;
        site(&tenant).ok_or(CallError::NotExported)
    }))
}
