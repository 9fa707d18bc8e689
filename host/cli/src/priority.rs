//! Work that only has what others leave of the machine.

/// Has the current thread, and those that it starts, run where no other wants to: any other that
/// wakes takes its place at once (sched(7), `SCHED_IDLE`). One of merely lower priority would first
/// finish its slice, some milliseconds.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    use thread_priority::{
        NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id,
    };

    let thread = thread_native_id();
    if let Err(error) = set_thread_priority_and_policy(thread, ThreadPriority::Min, Normal(Idle)) {
        tracing::warn!(%error, "background work has the priority of all other");
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way() {}
