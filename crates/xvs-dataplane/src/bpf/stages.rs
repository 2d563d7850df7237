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

use super::{OpenError, load::missing, pins::Pins, programs::program_of};

/// The arrays.
const ARRAYS: [&str; 2] = [Side::Xdp.array(), Side::Tcx.array()];

/// The programs by their place in the arrays.
const STAGES: [&str; 14] = [
    "open4", "open6", "carry4", "carry6", "answer", "related4", "related6", "relay", "reply",
    "cut", "hold", "release", "hear4", "hear6",
];
/// How many of them XDP has: the others need what only tcx can.
const STAGES_OF_XDP: usize = 8;

/// The programs that are loaded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those at XDP.
    Xdp,
    /// All others: at tcx, and at no link.
    Tcx,
}

impl Side {
    /// That of a program.
    pub(super) fn of(program: &str) -> Self {
        if program.starts_with(Self::Xdp.prefix()) {
            Self::Xdp
        } else {
            Self::Tcx
        }
    }

    /// The array of its stages.
    const fn array(self) -> &'static str {
        match self {
            Self::Xdp => "STAGES_XDP",
            Self::Tcx => "STAGES_TCX",
        }
    }

    /// What the names of its stages begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Xdp => "xvs_xdp",
            Self::Tcx => "xvs_tcx",
        }
    }

    fn stages(self) -> &'static [&'static str] {
        match self {
            Self::Xdp => STAGES.get(..STAGES_OF_XDP).unwrap_or(&STAGES),
            Self::Tcx => &STAGES,
        }
    }
}

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
        ARRAYS.map(|map| (map, self.pin(map)))
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
        let of = |map: &&str| {
            let rest = name.strip_prefix(&map.to_lowercase())?;
            rest.strip_prefix('-')?.parse::<u32>().ok()
        };
        found.extend(ARRAYS.iter().find_map(of));
    }
    Ok(found)
}

/// Puts the loaded programs of a side into their places.
pub(super) fn fill(object: &mut Ebpf, side: Side) -> Result<(), OpenError> {
    let mut programs = Vec::new();
    for stage in side.stages() {
        let name = format!("{}_{stage}", side.prefix());
        let program = program_of(object, &name)?.try_clone();
        let program =
            program.map_err(|error| OpenError::load(format!("stage `{name}`"), &error))?;
        programs.push((name, program));
    }
    let map = side.array();
    let array = object.map_mut(map).ok_or_else(|| missing(map))?;
    let mut array: ProgramArray<&mut MapData> = array
        .try_into()
        .map_err(|error: aya::maps::MapError| OpenError::load(format!("map `{map}`"), &error))?;
    for (index, (name, program)) in (0..).zip(&programs) {
        array
            .set(index, program, 0)
            .map_err(|error| OpenError::load(format!("stage `{name}`"), &error))?;
    }
    Ok(())
}
