//! What trackers do to a virtual router: put it into fault, or move its priority.
//!
//! Scripts, files, processes, interfaces and BFD sessions all reach the election the same way: as a
//! named tracker with a status. Who measures them is not this crate's business.

use crate::Name;

/// What a tracker last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackerStatus {
    /// The script failed, the process is gone, the interface or BFD session is down.
    Down,
    /// All is well.
    Up,
    /// The number in a tracked file.
    Value(i32),
}

/// How much a tracker moves a priority, -254 to 254; 0 (the default) puts into fault instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackWeight(i16);

impl TrackWeight {
    /// A tracker of this weight puts its routers into fault.
    pub const FAULT: Self = Self(0);

    /// The weight `value`, if it is -254 to 254.
    #[must_use]
    pub fn new(value: i16) -> Option<Self> {
        (-254..=254).contains(&value).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i16 {
        self.0
    }
}

/// A virtual router, or a sync group, follows a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Which tracker. Names of different kinds (a script and a file) must differ.
    pub tracker: Name,
    /// What it does.
    pub weight: TrackWeight,
    /// keepalived's `reverse`: up counts as down, and a weight works the other way.
    pub reverse: bool,
}

/// What one tracker does to one router now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The router cannot serve.
    Fault,
    /// The first report has not come.
    Pending,
    /// It may serve; its priority moves by this much.
    Priority(i32),
}

/// Less than this in a tracked file, times its weight, is a fault (keepalived.conf(5), track_file).
const LEAST_FILE_CONTRIBUTION: i32 = -253;

impl Track {
    /// The effect of `status`; `None` is a tracker that has not reported yet.
    ///
    /// A positive weight counts while the tracker is up, a negative one while it is down. A file's
    /// number is multiplied by its weight; with weight 0 every number but 0 is a fault.
    pub(crate) fn effect(&self, status: Option<TrackerStatus>) -> Effect {
        let weight = i32::from(self.weight.get());
        let direction = if self.reverse { -1 } else { 1 };
        let Some(status) = status else {
            return if weight == 0 {
                Effect::Pending
            } else {
                Effect::Priority(0)
            };
        };
        if weight == 0 {
            let up = match status {
                TrackerStatus::Down => false,
                TrackerStatus::Up => true,
                TrackerStatus::Value(value) => value == 0,
            };
            return if up == self.reverse {
                Effect::Fault
            } else {
                Effect::Priority(0)
            };
        }
        match status {
            TrackerStatus::Up if weight > 0 => Effect::Priority(weight * direction),
            TrackerStatus::Down if weight < 0 => Effect::Priority(weight * direction),
            TrackerStatus::Down | TrackerStatus::Up => Effect::Priority(0),
            TrackerStatus::Value(value) => {
                let contribution = value.saturating_mul(weight).saturating_mul(direction);
                if contribution < LEAST_FILE_CONTRIBUTION {
                    Effect::Fault
                } else {
                    Effect::Priority(contribution)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_follow_weight_status_and_direction() {
        use Effect::{Fault, Pending, Priority};
        use TrackerStatus::{Down, Up, Value};
        for (weight, reverse, status, effect) in [
            (0, false, None, Pending),
            (0, false, Some(Up), Priority(0)),
            (0, false, Some(Down), Fault),
            (0, true, Some(Up), Fault),
            (0, true, Some(Down), Priority(0)),
            (0, false, Some(Value(0)), Priority(0)),
            (0, false, Some(Value(3)), Fault),
            (20, false, None, Priority(0)),
            (20, false, Some(Up), Priority(20)),
            (20, false, Some(Down), Priority(0)),
            (20, true, Some(Up), Priority(-20)),
            (-60, false, Some(Up), Priority(0)),
            (-60, false, Some(Down), Priority(-60)),
            (-60, true, Some(Down), Priority(60)),
            (2, false, Some(Value(-10)), Priority(-20)),
            (2, true, Some(Value(-10)), Priority(20)),
            (1, false, Some(Value(-254)), Fault),
            (254, false, Some(Value(i32::MIN)), Fault),
        ] {
            let track = Track {
                tracker: "chk".into(),
                weight: TrackWeight::new(weight).unwrap(),
                reverse,
            };
            assert_eq!(track.effect(status), effect, "{track:?} {status:?}");
        }
    }
}
