//! What a tenant may use on each host.

use std::{collections::BTreeMap, time::Duration};

use pingtalk_capabilities::storage::StorageLimits;
use pingtalk_runtime::QuotaLimits;
use serde::{Deserialize, Serialize};

use super::ControlError;

/// A tenant's bounds on each host. What is not set is as the operator's configuration has it for all
/// tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantBudgets {
    /// CPU time of its components a second, in milliseconds: 1,000 is one core. Above it they wait.
    pub cpu_ms_per_second: Option<u32>,
    /// Linear memory of all its instances, in bytes. Above it they don't grow.
    pub memory_bytes: Option<u64>,
    /// Calls of capabilities a second. Above it they wait.
    pub host_calls_per_second: Option<u32>,
    /// Outbound requests a second. Above it they wait, up to their time to connect.
    pub outbound_per_second: Option<u32>,
    /// HTTP requests a second, over all clients. Above it: 429.
    pub requests_per_second: Option<u32>,
    /// Bytes of response bodies a second, over all clients. Above it they wait.
    pub response_bytes_per_second: Option<u64>,
    /// Events published a second. Above it the commits that publish them wait.
    pub events_per_second: Option<u32>,
    /// Documents in all its collections. Above it commits that add something are refused.
    pub stored_documents: Option<u64>,
    /// Bytes of its documents, their indexes and its blobs. Above it nothing more is stored.
    pub stored_bytes: Option<u64>,
    /// Engine.IO connections, from the tenant's next opening on. Above it they are refused.
    pub socket_connections: Option<u32>,
}

impl TenantBudgets {
    /// What a tenant gets whose operator says nothing: half a core, 256 MiB of memory, 1 GiB stored.
    #[must_use]
    pub fn modest() -> Self {
        Self {
            cpu_ms_per_second: Some(500),
            memory_bytes: Some(256 * 1024 * 1024),
            host_calls_per_second: Some(10_000),
            outbound_per_second: Some(100),
            requests_per_second: Some(1_000),
            response_bytes_per_second: Some(64 * 1024 * 1024),
            events_per_second: Some(1_000),
            stored_documents: Some(1_000_000),
            stored_bytes: Some(1024 * 1024 * 1024),
            socket_connections: Some(10_000),
        }
    }

    /// These, and the others' where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            cpu_ms_per_second: self.cpu_ms_per_second.or(other.cpu_ms_per_second),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            host_calls_per_second: self.host_calls_per_second.or(other.host_calls_per_second),
            outbound_per_second: self.outbound_per_second.or(other.outbound_per_second),
            requests_per_second: self.requests_per_second.or(other.requests_per_second),
            response_bytes_per_second: self
                .response_bytes_per_second
                .or(other.response_bytes_per_second),
            events_per_second: self.events_per_second.or(other.events_per_second),
            stored_documents: self.stored_documents.or(other.stored_documents),
            stored_bytes: self.stored_bytes.or(other.stored_bytes),
            socket_connections: self.socket_connections.or(other.socket_connections),
        }
    }

    /// What the runtime bounds.
    #[must_use]
    pub fn quota(&self) -> QuotaLimits {
        QuotaLimits {
            cpu: self.cpu_ms_per_second.map(|ms| Duration::from_millis(ms.into())),
            memory_bytes: self.memory_bytes,
            host_calls: self.host_calls_per_second,
            outbound: self.outbound_per_second,
            events: self.events_per_second,
        }
    }

    /// What may be stored.
    #[must_use]
    pub fn storage(&self) -> StorageLimits {
        StorageLimits { documents: self.stored_documents, bytes: self.stored_bytes }
    }

    /// Changes those that are named; None goes back to the operator's.
    ///
    /// # Errors
    /// When there is no such budget, or the number is none for it.
    pub fn change(&mut self, changes: &BTreeMap<String, Option<u64>>) -> Result<(), ControlError> {
        for (name, number) in changes {
            let number = *number;
            if number == Some(0) {
                let problem = format!("`{name}` is at least 1; `suspended` stops a tenant");
                return Err(ControlError::Invalid(problem));
            }
            let small = || {
                let converted = number.map(u32::try_from).transpose();
                converted
                    .map_err(|_| ControlError::Invalid(format!("`{name}` is at most {}", u32::MAX)))
            };
            match name.as_str() {
                "cpu_ms_per_second" => self.cpu_ms_per_second = small()?,
                "memory_bytes" => self.memory_bytes = number,
                "host_calls_per_second" => self.host_calls_per_second = small()?,
                "outbound_per_second" => self.outbound_per_second = small()?,
                "requests_per_second" => self.requests_per_second = small()?,
                "response_bytes_per_second" => self.response_bytes_per_second = number,
                "events_per_second" => self.events_per_second = small()?,
                "stored_documents" => self.stored_documents = number,
                "stored_bytes" => self.stored_bytes = number,
                "socket_connections" => self.socket_connections = small()?,
                _ => {
                    let problem = format!(
                        "there is no budget `{name}`: there are cpu_ms_per_second, memory_bytes, \
                         host_calls_per_second, outbound_per_second, requests_per_second, \
                         response_bytes_per_second, events_per_second, stored_documents, stored_bytes and socket_connections"
                    );
                    return Err(ControlError::Invalid(problem));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_changed_one_by_one() {
        let mut budgets = TenantBudgets::default();
        let change = |pairs: &[(&str, Option<u64>)]| {
            pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
        };
        budgets
            .change(&change(&[("cpu_ms_per_second", Some(5)), ("memory_bytes", Some(9))]))
            .unwrap();
        budgets.change(&change(&[("cpu_ms_per_second", None)])).unwrap();
        assert_eq!(budgets, TenantBudgets { memory_bytes: Some(9), ..TenantBudgets::default() });
        for wrong in
            [("speed", Some(1)), ("memory_bytes", Some(0)), ("cpu_ms_per_second", Some(1 << 40))]
        {
            let error = budgets.change(&change(&[wrong])).unwrap_err().to_string();
            assert!(error.contains(wrong.0), "{error}");
        }
        let all = budgets.or(TenantBudgets::modest());
        assert_eq!((all.memory_bytes, all.cpu_ms_per_second), (Some(9), Some(500)));
    }
}
