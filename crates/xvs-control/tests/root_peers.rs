//! Who may write, tried as another user. Needs root, to become that user.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::{env, fs, os::unix::fs::PermissionsExt, thread};

use support::Served;
use xvs_control::{
    Client, ClientError,
    wire::{Batch, Code},
};
use xvs_types::Op;

/// `nobody` on Debian; any id but 0 will do.
const NOBODY: libc::uid_t = 65_534;

/// Runs `work` on a thread whose user is nobody. The raw system call changes that thread alone.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                // SAFETY: both calls take integers only and change the ids of this thread.
                let changed = unsafe {
                    libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>())
                        | libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY)
                        | libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY)
                };
                assert_eq!(changed, 0, "{}", std::io::Error::last_os_error());
                work()
            })
            .join()
            .unwrap()
    })
}

fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "CI runs this as root"
        );
        eprintln!("skipped: needs root to become another user");
    }
    root
}

#[test]
fn root_another_user_cannot_even_connect() {
    if !is_root() {
        return;
    }
    let served = Served::start();
    open_the_way(&served, 0o600);
    let error = as_nobody(|| Client::connect(&served.instance).unwrap_err());
    assert!(matches!(error, ClientError::NotAllowed { .. }), "{error}");
}

#[test]
fn root_another_user_who_can_connect_may_read_and_not_write() {
    if !is_root() {
        return;
    }
    let served = Served::start();
    // As if an administrator had opened the socket to readers.
    open_the_way(&served, 0o666);
    let (status, refused, root_only) = as_nobody(|| {
        let mut client = Client::connect(&served.instance).unwrap();
        (
            client.status(),
            client.apply(&Batch::atomic(vec![Op::Flush])),
            client.stop(xvs_control::wire::StopRequest::default()),
        )
    });
    assert_eq!(status.unwrap().instance, "test");
    for error in [refused.unwrap_err(), root_only.unwrap_err()] {
        assert_eq!(error.code(), Some(Code::Forbidden));
        assert!(error.to_string().contains("group `xvs`"), "{error}");
    }
    let memory = served.fake.0.lock().unwrap();
    assert_eq!(memory.batches, []);
    assert_eq!(memory.stops, []);
}

/// Lets others reach the socket, whose own mode decides then.
fn open_the_way(served: &Served, mode: u32) {
    let directory = served.instance.directory();
    for folder in [directory, directory.parent().unwrap()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(served.instance.socket(), fs::Permissions::from_mode(mode)).unwrap();
}
