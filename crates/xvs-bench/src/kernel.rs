//! What the kernel is asked for directly: to run a program many times, and to keep a thread on one
//! processor and in a network namespace of its own.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    process::Command,
};

use anyhow::{Context, bail, ensure};
use aya::maps::MapFd;

/// `BPF_PROG_TEST_RUN` of `enum bpf_cmd`.
const PROG_TEST_RUN: libc::c_long = 10;
/// `BPF_F_TEST_XDP_LIVE_FRAMES`.
const LIVE_FRAMES: u32 = 2;
/// Frames that live runs keep in flight (the kernel's default).
const BATCH: u32 = 64;

/// `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    answer: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    zero: u32,
}

/// What many runs of a program gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Nanoseconds of one run, the mean of all.
    pub(crate) nanoseconds: u32,
    /// What the last one answered.
    pub(crate) answer: u32,
}

/// Runs a program `repeat` times on one frame, which is not restored in between.
pub(crate) fn run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    context: &[u8],
    repeat: u32,
) -> io::Result<Run> {
    test_run(program, frame, context, repeat, false)
}

/// Runs a program on `repeat` frames of their own, and sends them where it says.
pub(crate) fn send(program: BorrowedFd<'_>, frame: &[u8], repeat: u32) -> io::Result<Run> {
    test_run(program, frame, &[], repeat, true)
}

fn test_run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    context: &[u8],
    repeat: u32,
    live: bool,
) -> io::Result<Run> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    let address = |bytes: &[u8]| u64::try_from(bytes.as_ptr().addr()).map_err(io::Error::other);
    let mut attribute = TestRun {
        program: u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?,
        data_size_in: size(frame)?,
        data_in: address(frame)?,
        repeat,
        ..TestRun::default()
    };
    if !context.is_empty() {
        attribute.context_size_in = size(context)?;
        attribute.context_in = address(context)?;
    }
    if live {
        attribute.flags = LIVE_FRAMES;
        attribute.batch = BATCH;
    }
    loop {
        // SAFETY: the attribute is the command's, and what it points to outlives the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                PROG_TEST_RUN,
                &raw mut attribute,
                size_of::<TestRun>(),
            )
        };
        if done == 0 {
            return Ok(Run {
                nanoseconds: attribute.duration,
                answer: attribute.answer,
            });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Keeps this thread, and what it starts, on one processor.
pub(crate) fn pin_to(cpu: usize) -> anyhow::Result<()> {
    // SAFETY: a set of processors is plain bits; the index is compared with its size.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        ensure!(cpu < 1024, "there is no processor {cpu}");
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done != 0 {
        return Err(io::Error::last_os_error()).context(format!("keep to processor {cpu}"));
    }
    Ok(())
}

/// Lets this thread, and what it starts, run on every processor again.
pub(crate) fn unpin() -> anyhow::Result<()> {
    // SAFETY: a set of processors is plain bits; the kernel leaves out those that there are not.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in 0..1024 {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done != 0 {
        return Err(io::Error::last_os_error()).context("run on every processor");
    }
    Ok(())
}

/// Moves this thread into a network namespace of its own, which ends with it.
pub(crate) fn own_network() -> anyhow::Result<()> {
    // SAFETY: the call has no precondition; only this thread is moved.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error()).context("make a network namespace (are you root?)");
    }
    // Numbers without context are useless here: no other traffic, no IPv6 chatter.
    for (setting, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv6/conf/default/accept_dad", "0"),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
    ] {
        fs::write(format!("/proc/sys/{setting}"), value)
            .with_context(|| format!("set {setting}"))?;
    }
    ip("link set lo up")
}

/// Asks a process of ours to end.
pub(crate) fn terminate(process: u32) {
    if let Ok(process) = i32::try_from(process) {
        // SAFETY: the call has no precondition.
        unsafe { libc::kill(process, libc::SIGTERM) };
    }
}

/// Bytes that the kernel accounts for a map (`memlock` of its file).
pub(crate) fn memory_of(map: &MapFd) -> anyhow::Result<f64> {
    let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    line.and_then(|line| line.trim().parse().ok())
        .with_context(|| format!("no memlock in {path}"))
}

/// Takes a mounted file system away.
pub(crate) fn unmount(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a C string.
    if unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Runs `ip` with arguments separated by spaces.
pub(crate) fn ip(arguments: &str) -> anyhow::Result<()> {
    command("ip", arguments)
}

/// Runs a program with arguments separated by spaces.
pub(crate) fn command(program: &str, arguments: &str) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .with_context(|| format!("run `{program}` (`make setup` installs it)"))?;
    if !output.status.success() {
        bail!(
            "`{program} {arguments}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Index and address of a link of this network namespace.
pub(crate) fn link(name: &str) -> anyhow::Result<(u32, [u8; 6])> {
    let name_c = CString::new(name).context("a link's name")?;
    // SAFETY: the name is a C string.
    let index = unsafe { libc::if_nametoindex(name_c.as_ptr()) };
    ensure!(index != 0, "there is no link `{name}`");
    let output = Command::new("ip")
        .args(["-o", "link", "show", "dev", name])
        .output()
        .context("run `ip`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    let mac = words
        .find(|word| *word == "link/ether")
        .and_then(|_found| words.next())
        .with_context(|| format!("the address of link `{name}`"))?;
    let mut bytes = [0; 6];
    for (byte, text) in bytes.iter_mut().zip(mac.split(':')) {
        *byte = u8::from_str_radix(text, 16).context("a byte of an address")?;
    }
    Ok((index, bytes))
}
