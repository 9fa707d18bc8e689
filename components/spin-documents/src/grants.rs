//! What the component may touch, from its section of the manifest.

use pingtalk_documents::{DocumentError, Transaction};
use pingtalk_manifest::{Access, Component};
use pingtalk_spin_platform::Served;

/// Refuses to read a collection that was not granted.
pub(crate) fn read(database: &str, collection: &str) -> Result<(), DocumentError> {
    with(|component| {
        if granted(component, database, collection, Access::Read) {
            return Ok(());
        }
        Err(DocumentError::Denied(format!("reading {database}.{collection}")))
    })
}

/// Refuses a commit that writes where it may not, or publishes what it may not.
pub(crate) fn commit(transaction: &Transaction) -> Result<(), DocumentError> {
    with(|component| {
        for write in &transaction.writes {
            if !granted(component, &write.database, &write.collection, Access::Write) {
                let place = format!("{}.{}", write.database, write.collection);
                return Err(DocumentError::Denied(format!("writing {place}")));
            }
        }
        for event in &transaction.events {
            if !component.host.publish.contains(&event.topic) {
                return Err(DocumentError::Denied(format!("publishing {}", event.topic)));
            }
        }
        Ok(())
    })
}

fn with<T>(check: impl FnOnce(&Component) -> Result<T, DocumentError>) -> Result<T, DocumentError> {
    let checked = Served::with(|served| {
        served.component().map(check).unwrap_or_else(|| {
            Err(DocumentError::Unavailable(format!("{} is not declared", served.name())))
        })
    });
    checked.unwrap_or_else(|why| Err(DocumentError::Unavailable(why)))
}

fn granted(component: &Component, database: &str, collection: &str, wanted: Access) -> bool {
    component.host.documents.iter().any(|grant| {
        grant.database == database
            && grant.collection.as_deref().is_none_or(|name| name == collection)
            && grant.access >= wanted
    })
}
