//! Loads every program of every object, and asks the kernel what it saw.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, anyhow, bail};
use aya::{
    Ebpf,
    programs::{Program, ProgramError, ProgramInfo},
};

use super::record::Figures;

/// What one kernel makes of the objects of this build.
pub(super) struct Measured {
    /// Major and minor version, as `6.18`.
    pub(super) kernel: String,
    /// Bytes of each object without its debug information, by the object's name.
    pub(super) objects: BTreeMap<String, u64>,
    /// By object and program, as `director/xvs_xdp`.
    pub(super) programs: BTreeMap<String, Figures>,
    /// Programs that this kernel does not load, with what it said.
    pub(super) rejected: BTreeMap<String, String>,
}

const OBJECTS: [(&str, &[u8]); 2] = [
    ("director", xvs_objects::DIRECTOR),
    ("realserver", xvs_objects::REALSERVER),
];

/// How many of the verifier's last lines are shown when it rejects a program.
const LAST_LINES: usize = 12;

/// Measures all objects on the running kernel.
///
/// # Errors
///
/// Not root, or an object that the kernel takes no map or type of. A program that the verifier
/// rejects is no error here: the others are still worth measuring.
pub(super) fn all() -> anyhow::Result<Measured> {
    let mut objects = BTreeMap::new();
    let mut programs = BTreeMap::new();
    let mut rejected = BTreeMap::new();
    for (name, bytes) in OBJECTS {
        objects.insert(name.to_owned(), u64::try_from(bytes.len())?);
        let mut object =
            Ebpf::load(bytes).with_context(|| format!("load object `{name}` (are you root?)"))?;
        for (program_name, program) in object.programs_mut() {
            let full_name = format!("{name}/{program_name}");
            match load(program)? {
                Ok(()) => programs.insert(full_name, figures(&program.info()?)?),
                Err(error) => {
                    rejected.insert(full_name, last_lines(&error));
                    None
                }
            };
        }
    }
    Ok(Measured {
        kernel: kernel_series()?,
        objects,
        programs,
        rejected,
    })
}

fn kernel_series() -> anyhow::Result<String> {
    let release =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    series(&release).ok_or_else(|| anyhow!("`{}` is no kernel release", release.trim()))
}

fn series(release: &str) -> Option<String> {
    let mut parts = release.split(['.', '-', '\n']);
    let (major, minor) = (parts.next()?, parts.next()?);
    let numbers: (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
    Some(format!("{}.{}", numbers.0, numbers.1))
}

fn load(program: &mut Program) -> anyhow::Result<Result<(), ProgramError>> {
    Ok(match program {
        Program::CgroupSkb(program) => program.load(),
        Program::CgroupSock(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::SockOps(program) => program.load(),
        Program::Xdp(program) => program.load(),
        other => bail!(
            "programs of type {:?} are not measured yet",
            other.prog_type()
        ),
    })
}

/// The end of an error, which holds all that the verifier said.
fn last_lines(error: &ProgramError) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn figures(info: &ProgramInfo) -> anyhow::Result<Figures> {
    Ok(Figures {
        verified_instructions: info
            .verified_instruction_count()
            .context("this kernel does not count verified instructions (Linux 5.16 does)")?,
        translated_bytes: info
            .size_translated()
            .context("the kernel gave no size: programs can be read by root alone")?,
    })
}

#[cfg(test)]
mod tests {
    use super::series;

    #[test]
    fn the_series_is_major_and_minor_of_any_release() {
        assert_eq!(series("6.18.44-fc-v657\n").as_deref(), Some("6.18"));
        assert_eq!(series("6.1.0-31-amd64\n").as_deref(), Some("6.1"));
        assert_eq!(series("7.0-rc1\n").as_deref(), Some("7.0"));
        assert_eq!(series("unknown\n"), None);
    }
}
