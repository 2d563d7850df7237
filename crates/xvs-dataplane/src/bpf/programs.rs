//! The programs of the object: verified when they are needed, found by their names.

use std::{panic::resume_unwind, sync::Mutex, thread};

use aya::{
    Ebpf,
    programs::{Program, ProgramError, ProgramFd, SchedClassifier, Xdp},
};

use super::{
    OpenError,
    load::missing,
    stages::{self, Side},
};

/// How many programs the kernel verifies at the same time, at most.
const LOADERS: usize = 8;

/// Loads the programs of a side that are not loaded yet, and puts them into their places.
///
/// The object's maps must still be open, those that were taken out of it too: the programs have had their
/// numbers since the object was read.
pub(super) fn load(object: &mut Ebpf, side: Side) -> Result<(), OpenError> {
    let waiting: Vec<_> = object
        .programs_mut()
        .filter(|(name, program)| {
            Side::of(name) == side && matches!(program.fd(), Err(ProgramError::NotLoaded))
        })
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    verify(waiting)?;
    stages::fill(object, side).inspect_err(|_| unload(object, side))
}

/// Gives up the programs of a side, to be loaded when they are asked for again.
fn unload(object: &mut Ebpf, side: Side) {
    for (name, program) in object.programs_mut() {
        if Side::of(name) != side {
            continue;
        }
        let unloaded = match program {
            Program::Xdp(program) => program.unload(),
            Program::SchedClassifier(program) => program.unload(),
            _ => Ok(()),
        };
        if let Err(error) = unloaded {
            tracing::warn!(name, %error, "a program without its stages stays");
        }
    }
}

/// Has the kernel verify programs, on every processor at once: it takes seconds in all.
fn verify(programs: Vec<(&str, &mut Program)>) -> Result<(), OpenError> {
    let waiting = Mutex::new(programs.into_iter());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let load_some = || {
        while let Some((name, program)) = next() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::SchedClassifier(program) => program.load(),
                _ => Ok(()),
            };
            loaded.map_err(|error| OpenError::load(format!("program `{name}`"), &error))?;
        }
        Ok(())
    };
    let others = thread::available_parallelism().map_or(0, |all| all.get().min(LOADERS) - 1);
    thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(load_some)).collect();
        let mut loaded = load_some();
        for other in others {
            let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            loaded = loaded.and(other);
        }
        loaded
    })
}

/// A loaded program, to be named to the kernel.
pub(super) fn program_of<'a>(object: &'a Ebpf, name: &str) -> Result<&'a ProgramFd, OpenError> {
    let program = object.program(name).ok_or_else(|| missing(name))?;
    program
        .fd()
        .map_err(|error| OpenError::load(format!("program `{name}`"), &error))
}

/// The XDP entry, with the programs behind it. They are verified when they are first asked for: half of the
/// time that a daemon's start takes, and where no link has XDP nobody needs them.
pub(super) fn xdp(object: &mut Ebpf) -> Result<&mut Xdp, OpenError> {
    load(object, Side::Xdp)?;
    object
        .program_mut("xvs_xdp")
        .ok_or_else(|| missing("xvs_xdp"))?
        .try_into()
        .map_err(|error: ProgramError| OpenError::load("xvs_xdp", &error))
}

/// A classifier.
pub(super) fn classifier<'a>(
    object: &'a mut Ebpf,
    name: &str,
) -> Result<&'a mut SchedClassifier, OpenError> {
    object
        .program_mut(name)
        .ok_or_else(|| missing(name))?
        .try_into()
        .map_err(|error: ProgramError| OpenError::load(name, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the programs that the kernel has, or has not.
    fn names(object: &Ebpf, loaded: bool) -> Vec<&str> {
        let all = object.programs();
        all.filter(|(_, program)| program.fd().is_ok() == loaded)
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn root_programs_at_xdp_are_verified_when_they_are_asked_for() {
        // SAFETY: the call has no precondition.
        if unsafe { libc::geteuid() } != 0 {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "under CI this test must run as root"
            );
            eprintln!("skipped: loading programs needs root");
            return;
        }
        let mut object = Ebpf::load(xvs_objects::DIRECTOR).unwrap();
        load(&mut object, Side::Tcx).unwrap();
        let waiting = names(&object, false);
        assert!(!waiting.is_empty());
        assert!(
            waiting.iter().all(|name| Side::of(name) == Side::Xdp),
            "{waiting:?}"
        );
        assert!(
            names(&object, true)
                .iter()
                .all(|name| Side::of(name) == Side::Tcx)
        );
        xdp(&mut object).unwrap();
        assert_eq!(names(&object, false), Vec::<&str>::new());
    }
}
