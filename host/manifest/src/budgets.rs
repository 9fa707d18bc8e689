//! `budgets = { … }`: how much one component may use. Every bound holds by default; the manifest
//! only moves it. An operator's own bounds, where they are lower, win.

use std::time::Duration;

use crate::{finding::Severity, reader::Node};

/// The bounds a component asks for. None: the host's default, named at each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// `memory`: linear memory of one instance in bytes, summed over its memories. Default 64 MiB.
    pub memory: Option<u64>,
    /// `wall_time`: from the enqueueing of a call to its answer. Default 30 s.
    pub wall_time: Option<Duration>,
    /// `cpu_time`: CPU that one call can take in one piece. Default 5 s.
    pub cpu_time: Option<Duration>,
    /// `concurrency`: calls at once in one instance. Default 64.
    pub concurrency: Option<u32>,
    /// `max_instances`: instances on one core. Default 8.
    pub max_instances: Option<u32>,
    /// `waiting`: calls that wait for an instance on one core; one more is answered 503. Default
    /// 1,024.
    pub waiting: Option<u32>,
    /// `reuse`: calls before an instance is replaced. Default 10,000.
    pub reuse: Option<u32>,
    /// `idle`: how long an unused instance is kept. Default 10 s.
    pub idle: Option<Duration>,
    /// `handles`: resources and streams an instance may hold at once. Default 10,000.
    pub handles: Option<u32>,
}

const KEYS: [&str; 9] = [
    "memory",
    "wall_time",
    "cpu_time",
    "concurrency",
    "max_instances",
    "waiting",
    "reuse",
    "idle",
    "handles",
];

/// Reads `budgets`.
pub(crate) fn read_budgets(node: &Node<'_>) -> Budgets {
    let Some(table) = node.table() else { return Budgets::default() };
    table.only(&KEYS, Severity::Error);
    let count = |key: &str, most: u32| {
        let number = table.get(key)?.number(1..=u64::from(most))?;
        u32::try_from(number).ok()
    };
    let time = |key: &str| table.get(key)?.duration();
    Budgets {
        memory: table.get("memory").and_then(|node| {
            let size = node.size()?;
            // Below one page of linear memory nothing starts; above 4 GiB a wasm32 can't address.
            if (64 * 1024..=4 << 30).contains(&size) {
                return Some(size);
            }
            node.error("is out of bounds", "write a size from 64KiB to 4GiB");
            None
        }),
        wall_time: time("wall_time"),
        cpu_time: time("cpu_time"),
        concurrency: count("concurrency", 10_000),
        max_instances: count("max_instances", 10_000),
        waiting: count("waiting", 1_000_000),
        reuse: count("reuse", u32::MAX),
        idle: time("idle"),
        handles: count("handles", 1_000_000),
    }
}
