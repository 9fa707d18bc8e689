//! What an operator lets manifests ask for at most, for one component.

use std::time::Duration;

use pingtalk_manifest::Budgets;
use pingtalk_runtime::Limits;
use serde::Deserialize;

/// The most that a component of any tenant but the default one may have. A manifest that asks for
/// more is refused when it is deployed; a release that was deployed before gets this much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentMaximum {
    /// `memory`, in bytes.
    pub memory_bytes: u64,
    /// `wall_time`, in milliseconds.
    pub wall_time_ms: u64,
    /// `cpu_time`, in milliseconds.
    pub cpu_time_ms: u64,
    /// `concurrency`.
    pub concurrency: u32,
    /// `max_instances`.
    pub max_instances: u32,
    /// `waiting`.
    pub waiting: u32,
    /// `idle`, in milliseconds.
    pub idle_ms: u64,
    /// `handles`.
    pub handles: u32,
}

impl Default for ComponentMaximum {
    fn default() -> Self {
        Self {
            memory_bytes: 256 * 1024 * 1024,
            wall_time_ms: 120_000,
            cpu_time_ms: 10_000,
            concurrency: 1_000,
            max_instances: 32,
            waiting: 10_000,
            idle_ms: 600_000,
            handles: 100_000,
        }
    }
}

impl ComponentMaximum {
    /// The first budget that asks for more: its name in the manifest, what it asks for and what there
    /// is, in words.
    pub(crate) fn exceeded(&self, budgets: &Budgets) -> Option<String> {
        let millis = |time: Option<Duration>| {
            time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        };
        let asked = [
            ("memory", budgets.memory, self.memory_bytes, "bytes"),
            ("wall_time", millis(budgets.wall_time), self.wall_time_ms, "ms"),
            ("cpu_time", millis(budgets.cpu_time), self.cpu_time_ms, "ms"),
            ("concurrency", budgets.concurrency.map(u64::from), self.concurrency.into(), "calls"),
            (
                "max_instances",
                budgets.max_instances.map(u64::from),
                self.max_instances.into(),
                "instances a core",
            ),
            ("waiting", budgets.waiting.map(u64::from), self.waiting.into(), "calls"),
            ("idle", millis(budgets.idle), self.idle_ms, "ms"),
            ("handles", budgets.handles.map(u64::from), self.handles.into(), "handles"),
        ];
        asked.into_iter().find_map(|(name, asked, most, unit)| {
            let asked = asked.filter(|asked| *asked > most)?;
            Some(format!(
                "its budget `{name}` asks for {asked} {unit}, the most there is is {most}"
            ))
        })
    }

    /// Limits that are nowhere above this.
    pub(crate) fn within(&self, limits: Limits) -> Limits {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let memory = usize::try_from(self.memory_bytes).unwrap_or(usize::MAX);
        Limits {
            memory_bytes: limits.memory_bytes.min(memory),
            wall_time: limits.wall_time.min(Duration::from_millis(self.wall_time_ms)),
            cpu_time: limits.cpu_time.min(Duration::from_millis(self.cpu_time_ms)),
            concurrency: limits.concurrency.min(count(self.concurrency)),
            instances: limits.instances.min(count(self.max_instances)),
            waiting: limits.waiting.min(count(self.waiting)),
            idle: limits.idle.min(Duration::from_millis(self.idle_ms)),
            handles: limits.handles.min(count(self.handles)),
            ..limits
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_budget_above_it_is_named() {
        let maximum = ComponentMaximum { handles: 10, ..ComponentMaximum::default() };
        assert_eq!(maximum.exceeded(&Budgets::default()), None);
        let modest = Budgets { handles: Some(10), memory: Some(1 << 20), ..Budgets::default() };
        assert_eq!(maximum.exceeded(&modest), None);
        let greedy = Budgets { handles: Some(11), ..modest };
        let problem = maximum.exceeded(&greedy).unwrap();
        assert_eq!(problem, "its budget `handles` asks for 11 handles, the most there is is 10");
        let slow = Budgets { wall_time: Some(Duration::from_secs(121)), ..Budgets::default() };
        assert!(maximum.exceeded(&slow).unwrap().contains("`wall_time` asks for 121000 ms"));
    }

    #[test]
    fn what_runs_stays_within_it() {
        let maximum = ComponentMaximum { wall_time_ms: 5, waiting: 7, ..Default::default() };
        let limits = maximum.within(Limits::default());
        assert_eq!((limits.wall_time, limits.waiting), (Duration::from_millis(5), 7));
        assert_eq!(limits.handles, Limits::default().handles);
    }
}
