//! Network namespaces without names, which end with whoever holds them, and the links in them.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::fd::AsRawFd,
    process::{Command, Stdio},
    thread,
};

/// What the recorded director had set (`/proc/sys`).
const SETTINGS: [(&str, &str); 13] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv4/icmp_msgs_per_sec", "100000"),
    ("net/ipv4/icmp_msgs_burst", "100000"),
    ("net/ipv6/icmp/ratelimit", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
];

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses it, as it does without root.
    pub(crate) fn new() -> io::Result<Self> {
        let made = thread::spawn(|| {
            // SAFETY: the call has no precondition; only this thread is moved.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            File::open("/proc/thread-self/ns/net")
        });
        let made = made.join();
        made.map_err(|_panic| io::Error::other("the thread ended"))?
            .map(Self)
    }

    /// A path by which others reach it while this value lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Moves this thread into it, and what the thread starts from now on.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub(crate) fn enter(&self) -> io::Result<()> {
        // SAFETY: the call takes numbers alone; only this thread is moved.
        match unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Makes the settings of this thread's namespace those of the recorded director. What a kernel does
/// not have stays away.
pub(crate) fn set() {
    for (name, value) in SETTINGS {
        let _missing = fs::write(format!("/proc/sys/{name}"), value);
    }
}

/// Keeps IPv6 off links that are made in this thread's namespace from now on.
pub(crate) fn without_ipv6() {
    for which in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
        let _missing = fs::write(path, "1");
    }
}

/// Lets this thread's namespace forget the path MTUs that it has learned; answers whether it did.
pub(crate) fn forget_paths() -> bool {
    ["-4", "-6"].iter().all(|family| {
        let mut flush = Command::new("ip");
        flush.args([family, "route", "flush", "cache"]);
        flush.status().is_ok_and(|status| status.success())
    })
}

/// Removes every rule of this thread's namespace's firewall; answers whether it did.
pub(crate) fn forget_filters() -> bool {
    let mut flush = Command::new("nft");
    flush.args(["flush", "ruleset"]);
    flush.status().is_ok_and(|status| status.success())
}

/// Runs commands of iproute2, one a line, in this thread's namespace.
///
/// # Errors
///
/// When there is no `ip`, or it refuses one.
pub(crate) fn ip(commands: &str) -> io::Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(commands.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`ip -batch`: {}", message.trim())))
}
