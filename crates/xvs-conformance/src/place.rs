//! Folders of this process under `/run`, for pins and daemons; what a process left that was killed is
//! swept away by the next.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process,
};

const RUN: &str = "/run";
const NAME: &str = "xvs-conformance-";

/// The folder of this process; those of processes that are gone go.
pub(crate) fn folder() -> PathBuf {
    sweep();
    Path::new(RUN).join(format!("{NAME}{}", process::id()))
}

/// Unmounts the BPF file system of an instance and removes what is in its folder.
pub(crate) fn clear(instance: &Path) {
    unmount(&instance.join("bpf"));
    let _gone = fs::remove_dir_all(instance);
}

/// Unmounts a file system and removes its folder, where they are there.
pub(crate) fn unmount(folder: &Path) {
    if let Ok(path) = CString::new(folder.as_os_str().as_bytes()) {
        // SAFETY: the path is a C string.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
    let _gone = fs::remove_dir(folder);
}

fn sweep() {
    let Ok(entries) = fs::read_dir(RUN) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(NAME));
        let Some(process) = process.and_then(|number| number.parse::<u32>().ok()) else {
            continue;
        };
        if Path::new("/proc").join(process.to_string()).exists() {
            continue;
        }
        for instance in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            clear(&instance.path());
            // Logs stand beside the instances.
            let _folder = fs::remove_file(instance.path());
        }
        let _gone = fs::remove_dir(entry.path());
    }
}
