//! Who could change what root is about to run.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::ProcessError;

/// Where programs are looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether root alone can change `program` and every directory above it, links followed, as keepalived's
/// script security has it. In a sticky directory nobody can replace what is root's.
///
/// # Errors
/// Others can change one of them, or one of them cannot be looked at.
pub fn check_path(program: &Path) -> Result<(), ProcessError> {
    let whole = find(program)?;
    for path in whole.ancestors() {
        let metadata = fs::metadata(path).map_err(|source| look(path, source))?;
        let mode = metadata.mode();
        let sticky = metadata.is_dir() && mode & 0o1000 != 0;
        let by_group = mode & 0o020 != 0 && metadata.gid() != 0;
        let by_others = mode & 0o002 != 0;
        if metadata.uid() != 0 || (!sticky && (by_group || by_others)) {
            return Err(ProcessError::Insecure {
                program: program.to_owned(),
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

/// The file behind a program's name: searched in PATH when it has no `/`, links followed.
fn find(program: &Path) -> Result<PathBuf, ProcessError> {
    if program.components().count() == 1 && !program.is_absolute() {
        let folders = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let found = env::split_paths(&folders)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file());
        if let Some(path) = found {
            return path.canonicalize().map_err(|source| look(&path, source));
        }
    }
    program
        .canonicalize()
        .map_err(|source| look(program, source))
}

fn look(path: &Path, source: std::io::Error) -> ProcessError {
    ProcessError::Look {
        path: path.to_owned(),
        source,
    }
}
