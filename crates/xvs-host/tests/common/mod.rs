//! Two hosts on one wire: a namespace `c` whose kernel only carries frames, and a namespace `s`
//! that is set up as a real server or director. The test speaks TCP through `c` frame by frame, so
//! it decides every byte that reaches `s`.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod frames;
pub(crate) mod tcp;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use xvs_host::Common;

/// Ethernet addresses of the two ends.
pub(crate) const MAC_C: [u8; 6] = [2, 0, 0, 0, 0, 0xc];
pub(crate) const MAC_S: [u8; 6] = [2, 0, 0, 0, 0, 0x5];

/// The wire, and everything that must not outlive the test.
pub(crate) struct Wire {
    name: String,
}

impl Wire {
    /// Makes the namespaces; none, with the reason printed, where that is not possible.
    ///
    /// # Panics
    ///
    /// When it is not possible and `CI` is `true`.
    pub(crate) fn make(name: &str) -> Option<Self> {
        // SAFETY: the call has no arguments and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return skip("needs root");
        }
        let wire = Self {
            name: format!("xvsh-{name}"),
        };
        // the rest of a test that was killed
        wire.clear();
        for end in ["c", "s"] {
            if !succeeds(&format!("ip netns add {}", wire.netns(end))) {
                return skip("cannot make network namespaces");
            }
        }
        let (c, s) = (wire.netns("c"), wire.netns("s"));
        wire.run(&format!(
            "ip -n {c} link add veth0 address {} type veth peer name veth0 address {} netns {s}",
            frames::mac_text(MAC_C),
            frames::mac_text(MAC_S),
        ));
        for end in ["c", "s"] {
            // addresses that are being probed would change while a test looks at them
            wire.set(end, "ipv6/conf/veth0/accept_dad", "0");
        }
        for end in [&c, &s] {
            wire.run(&format!("ip -n {end} link set lo up"));
            wire.run(&format!("ip -n {end} link set veth0 up"));
        }
        wire.run(&format!("ip -n {s} addr add 10.9.0.5/24 dev veth0"));
        wire.run(&format!(
            "ip -n {s} addr add 2001:db8:9::5/64 dev veth0 nodad"
        ));
        wire.settle();
        Some(wire)
    }

    /// Waits until the kernel has done what it does by itself when a link comes up.
    fn settle(&self) {
        let s = self.netns("s");
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let link = output(&format!("ip -n {s} -o link show veth0"));
            let addresses = output(&format!("ip -n {s} -o addr show veth0"));
            if link.contains("state UP") && addresses.contains("fe80::") {
                return;
            }
            assert!(Instant::now() < deadline, "veth0 does not come up: {link}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The namespace of an end, `c` or `s`.
    pub(crate) fn netns(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    /// Lets `s` reach `address` at `c`, whose kernel does not know it.
    pub(crate) fn peer(&self, address: &str) {
        let s = self.netns("s");
        let mac = frames::mac_text(MAC_C);
        let length = if address.contains(':') { 128 } else { 32 };
        self.run(&format!("ip -n {s} route add {address}/{length} dev veth0"));
        self.run(&format!(
            "ip -n {s} neigh replace {address} lladdr {mac} nud permanent dev veth0"
        ));
    }

    /// The options that make a command work in `s`.
    pub(crate) fn common(&self) -> Common {
        Common {
            netns: Some(self.netns("s")),
            json: false,
            runtime_directory: Some(self.runtime_directory()),
        }
    }

    pub(crate) fn runtime_directory(&self) -> PathBuf {
        PathBuf::from(format!("/run/xvs-test/{}", self.name))
    }

    /// Runs `work` on a thread inside the namespace of an end.
    pub(crate) fn inside<T: Send + 'static>(
        &self,
        end: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let netns = self.netns(end);
        thread::spawn(move || {
            xvs_net::enter_netns(&netns).unwrap();
            work()
        })
    }

    /// Writes a setting below `/proc/sys/net`.
    pub(crate) fn set(&self, end: &str, setting: &str, value: &str) {
        let path = format!("/proc/sys/net/{setting}");
        let value = value.to_owned();
        self.inside(end, move || fs::write(path, value).unwrap())
            .join()
            .unwrap();
    }

    /// Every IPv4 and IPv6 setting of `s` and its addresses, as text.
    pub(crate) fn snapshot(&self) -> String {
        let settings = self
            .inside("s", || {
                let mut lines = Vec::new();
                for family in ["ipv4", "ipv6"] {
                    collect(&format!("/proc/sys/net/{family}/conf").into(), &mut lines);
                }
                let forward = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
                lines.push(format!("ip_forward {forward}"));
                lines.join("\n")
            })
            .join()
            .unwrap();
        let s = self.netns("s");
        settings + &output(&format!("ip -n {s} -o addr")) + &output(&format!("ip -n {s} -o link"))
    }

    /// Whether the kernel gave `s` this device, which depends on its modules alone.
    pub(crate) fn has_device(&self, name: &str) -> bool {
        let links = output(&format!("ip -n {} -o link", self.netns("s")));
        links.contains(&format!(": {name}@"))
    }

    /// Runs a command that must succeed.
    pub(crate) fn run(&self, line: &str) {
        assert!(succeeds(line), "`{line}` failed");
    }

    fn clear(&self) {
        for end in ["c", "s"] {
            let netns = self.netns(end);
            if fs::exists(format!("/run/netns/{netns}")).unwrap() {
                self.run(&format!("ip netns delete {netns}"));
            }
        }
        for role in ["realserver.d", "director.d"] {
            let Ok(listing) = fs::read_dir(self.runtime_directory().join(role)) else {
                continue;
            };
            for entry in listing {
                let pins = entry.unwrap().path().join("bpf");
                if pins.exists() {
                    // fails where nothing is mounted
                    let _not_mounted = output(&format!("umount {}", pins.display()));
                }
            }
        }
        match fs::remove_dir_all(self.runtime_directory()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Fails with the lines that differ.
pub(crate) fn assert_same(now: &str, before: &str) {
    let differing: Vec<_> = now
        .lines()
        .zip(before.lines())
        .filter(|(now, before)| now != before)
        .collect();
    assert!(differing.is_empty(), "(now, before): {differing:#?}");
    assert_eq!(now.lines().count(), before.lines().count());
}

/// Prints why a test is skipped; where nothing may be skipped, fails.
#[expect(
    clippy::print_stdout,
    reason = "who runs the tests must see what was not tested"
)]
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "cannot run: {reason}"
    );
    println!("skipped: {reason}");
    None
}

fn collect(folder: &PathBuf, lines: &mut Vec<String>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, lines);
        } else if let Ok(text) = fs::read_to_string(&path) {
            // some settings, such as secrets, cannot be read
            lines.push(format!("{} {}", path.display(), text.trim_end()));
        }
    }
}

fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn succeeds(line: &str) -> bool {
    words(line).status().is_ok_and(|status| status.success())
}

fn output(line: &str) -> String {
    String::from_utf8(words(line).output().unwrap().stdout).unwrap()
}
