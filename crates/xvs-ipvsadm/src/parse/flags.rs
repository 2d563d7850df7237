//! The flags of `-b`.

use xvs_types::{Scheduler, SchedulerFlags};

use super::Refusal;

/// The flags in the comma-separated `text`, for the scheduler named `scheduler`.
///
/// `sh-fallback` and the like go with their scheduler only; `flag-1` to `flag-3` with any. An empty
/// item counts for nothing.
pub(super) fn scheduler_flags(scheduler: &str, text: &str) -> Result<SchedulerFlags, Refusal> {
    let mut flags = SchedulerFlags::default();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let (flag, owner) = match name {
            "flag-1" => (SchedulerFlags::FALLBACK, None),
            "flag-2" => (SchedulerFlags::PORT, None),
            "flag-3" => (SchedulerFlags::THIRD, None),
            "sh-fallback" => (SchedulerFlags::FALLBACK, Some(Scheduler::Sh)),
            "sh-port" => (SchedulerFlags::PORT, Some(Scheduler::Sh)),
            "mh-fallback" => (SchedulerFlags::FALLBACK, Some(Scheduler::Mh)),
            "mh-port" => (SchedulerFlags::PORT, Some(Scheduler::Mh)),
            _ => return Err(Refusal::usage(format!("invalid scheduler flag `{name}'"))),
        };
        if owner.is_some_and(|owner| owner.name() != scheduler) {
            return Err(Refusal::usage(format!(
                "incompatible scheduler flag `{name}'"
            )));
        }
        flags = flags.union(flag);
    }
    Ok(flags)
}
