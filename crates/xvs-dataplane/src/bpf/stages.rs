//! The programs behind the entries, which these call by their place in an array.
//!
//! Each daemon has arrays of its own, a *generation*. What the entries and the stages hand each other
//! stands in room that is not pinned and that each load of the programs has for itself: an entry of the
//! daemon before that called a stage of this one would have it read another packet's. So the arrays of
//! before stay until no link has their entries any more.

use std::{collections::BTreeSet, fs, io};

use aya::{
    Ebpf,
    maps::{MapData, ProgramArray},
};

use super::{
    OpenError,
    load::{missing, program_of},
    pins::Pins,
};

/// The arrays, and what the names of their programs begin with.
const ARRAYS: [(&str, &str); 2] = [("STAGES_XDP", "xvs_xdp"), ("STAGES_TCX", "xvs_tcx")];

/// The programs by their place in the arrays.
const STAGES: [&str; 14] = [
    "open4", "open6", "carry4", "carry6", "answer", "related4", "related6", "relay", "reply",
    "cut", "hold", "release", "hear4", "hear6",
];
/// How many of them XDP has: the others need what only tcx can.
const STAGES_OF_XDP: usize = 8;

/// The arrays of one load of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u32);

impl Generation {
    /// One after all that are pinned.
    pub(super) fn next(pins: &Pins) -> io::Result<Self> {
        let last = pinned(pins)?.into_iter().next_back();
        Ok(Self(last.map_or(0, |last| last.wrapping_add(1))))
    }

    /// The names of the arrays, in the object and as pins.
    pub(super) fn names(self) -> [(&'static str, String); 2] {
        ARRAYS.map(|(map, _)| (map, self.pin(map)))
    }

    fn pin(self, map: &str) -> String {
        format!("{map}-{:010}", self.0)
    }

    /// Gives up the arrays of all others: their entries find no stage any more.
    pub(super) fn outlive(self, pins: &Pins) -> io::Result<()> {
        for other in pinned(pins)? {
            if other != self.0 {
                for (_, name) in Self(other).names() {
                    match fs::remove_file(pins.map(&name)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The generations that are pinned, whole or in part.
fn pinned(pins: &Pins) -> io::Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for name in pins.maps()? {
        let of = |(map, _): &(&str, &str)| {
            let rest = name.strip_prefix(&map.to_lowercase())?;
            rest.strip_prefix('-')?.parse::<u32>().ok()
        };
        found.extend(ARRAYS.iter().find_map(of));
    }
    Ok(found)
}

/// Puts the loaded programs into their places.
pub(super) fn fill(object: &mut Ebpf) -> Result<(), OpenError> {
    for (map, prefix) in ARRAYS {
        let array = object.take_map(map).ok_or_else(|| missing(map))?;
        let mut array: ProgramArray<MapData> =
            array.try_into().map_err(|error: aya::maps::MapError| {
                OpenError::load(format!("map `{map}`"), &error)
            })?;
        let count = if map == "STAGES_XDP" {
            STAGES_OF_XDP
        } else {
            STAGES.len()
        };
        for (index, stage) in (0..).zip(STAGES.iter().take(count)) {
            let name = format!("{prefix}_{stage}");
            let program = program_of(object, &name)?;
            array
                .set(index, program, 0)
                .map_err(|error| OpenError::load(format!("stage `{name}`"), &error))?;
        }
    }
    Ok(())
}
