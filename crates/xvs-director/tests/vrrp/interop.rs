//! Elections between ours and keepalived 2.2.7, both ways.

use std::time::{Duration, Instant};

use crate::rig::{Rig, can_run, wait_for};

/// How a virtual router is configured beside its priority.
struct Case {
    area: &'static str,
    /// Lines of the instance on host `a` and on host `b`.
    lines: [&'static str; 2],
    address: &'static str,
    /// The interval of advertisements.
    interval: Duration,
    /// A second in version 2, the interval in version 3.
    skew_unit: Duration,
}

const V4: &str = "10.99.0.100";
const V6: &str = "2001:db8::100";

impl Case {
    fn new(area: &'static str, line: &'static str) -> Self {
        Self {
            area,
            lines: [line, line],
            address: V4,
            interval: Duration::from_secs(1),
            skew_unit: Duration::from_secs(1),
        }
    }

    /// Version 3 at 0.1 s.
    fn fast(area: &'static str, line: &'static str) -> Self {
        let tenth = Duration::from_millis(100);
        Self {
            interval: tenth,
            skew_unit: tenth,
            ..Self::new(area, line)
        }
    }

    fn configuration(&self, host: usize, priority: u8) -> String {
        let version = if self.interval < Duration::from_secs(1) {
            "version 3\n advert_int 0.1"
        } else {
            "version 2\n advert_int 1"
        };
        let addresses = if self.address == V4 {
            format!("{V4}/24\n 10.99.0.101/24")
        } else {
            format!("fe80::100/64\n {V6}/64")
        };
        format!(
            "vrrp_instance VI {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n {version}\n \
             priority {priority}\n {}\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n",
            self.lines[host]
        )
    }

    fn skew(&self, priority: u8) -> Duration {
        self.skew_unit * (256 - u32::from(priority)) / 256
    }

    fn master_down(&self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }
}

/// What a busy machine may add to any of the times below.
const SLACK: Duration = Duration::from_millis(400);

/// Ours preempts a live keepalived of lower priority, releases to it, and takes over again when it
/// stops; then the same the other way round.
fn takes_turns(case: &Case) {
    if !can_run(true) {
        return;
    }
    ours_is_better(case);
    theirs_is_better(case);
}

fn ours_is_better(case: &Case) {
    let rig = Rig::new(case.area);
    let begin = Instant::now();
    let mut keepalived = rig.keepalived("b", &case.configuration(1, 100));
    wait_for("keepalived to be master", Duration::from_secs(8), || {
        !rig.adverts("b", begin).is_empty() && rig.has("b", case.address)
    });

    let start = Instant::now();
    let mut ours = rig.routers("a", &case.configuration(0, 150));
    let down = case.master_down(150);
    wait_for("ours to preempt", down + SLACK * 3, || {
        rig.has("a", case.address)
    });
    wait_for("keepalived to yield", SLACK, || !rig.has("b", case.address));
    let first = rig.adverts("a", start)[0].0;
    assert!(
        first - start >= down,
        "it listens before it claims: {:?}",
        ours.told()
    );
    ours.must_say("preempts");

    let stop = Instant::now();
    ours.stop();
    wait_for("its release", SLACK, || {
        rig.last_priority("a", stop) == Some(0)
    });
    wait_for("keepalived to take over", case.skew(100) + SLACK, || {
        rig.has("b", case.address)
    });
    assert!(!rig.has("a", case.address));

    // A backup that is already there, when keepalived stops.
    let mut ours = rig.routers("a", &case.configuration(0, 90));
    wait_for("ours to be backup", SLACK * 5, || {
        ours.says("Entering BACKUP")
    });
    std::thread::sleep(case.interval * 2);
    let stop = Instant::now();
    keepalived.stop();
    let taken = wait_for("ours to take over", case.skew(90) + SLACK, || {
        rig.has("a", case.address)
    });
    ours.must_say("released the addresses");
    let released = rig.adverts("b", stop);
    assert!(
        released.iter().any(|(_, priority)| *priority == 0),
        "{taken:?}"
    );
    ours.stop();
}

fn theirs_is_better(case: &Case) {
    let rig = Rig::new(case.area);
    let mut ours = rig.routers("b", &case.configuration(1, 100));
    wait_for(
        "ours to be master",
        case.master_down(100) + SLACK * 3,
        || rig.has("b", case.address),
    );
    let _keepalived = rig.keepalived("a", &case.configuration(0, 150));
    wait_for("keepalived to preempt", Duration::from_secs(5), || {
        rig.has("a", case.address)
    });
    wait_for("ours to yield", SLACK, || !rig.has("b", case.address));
    ours.must_say("is master with priority 150");

    // The switch port goes down: nothing says that the master is gone.
    std::thread::sleep(case.interval);
    rig.ip("s", "link set to-a down");
    wait_for("ours to take over", case.master_down(100) + SLACK, || {
        rig.has("b", case.address)
    });
    ours.must_say("is silent");

    // Two masters meet: the better one stays, and ours makes way.
    rig.ip("s", "link set to-a up");
    wait_for("ours to yield again", case.interval * 3 + SLACK * 3, || {
        !rig.has("b", case.address)
    });
    ours.stop();
}

#[test]
fn root_version_2_takes_turns_with_keepalived() {
    takes_turns(&Case::new("v2", ""));
}

#[test]
fn root_a_password_takes_turns_with_keepalived() {
    let line = "authentication {\n auth_type PASS\n auth_pass secret\n }";
    takes_turns(&Case::new("pass", line));
}

#[test]
fn root_an_authentication_header_takes_turns_with_keepalived() {
    let line = "authentication {\n auth_type AH\n auth_pass secret\n }";
    takes_turns(&Case::new("ah", line));
}

#[test]
fn root_version_3_takes_turns_with_keepalived() {
    takes_turns(&Case::fast("v3", ""));
}

#[test]
fn root_unicast_takes_turns_with_keepalived() {
    let mut case = Case::fast("uni", "");
    case.lines = [
        "unicast_src_ip 10.99.0.1\n unicast_peer {\n 10.99.0.2\n }",
        "unicast_src_ip 10.99.0.2\n unicast_peer {\n 10.99.0.1\n }",
    ];
    takes_turns(&case);
}

#[test]
fn root_ipv6_takes_turns_with_keepalived() {
    let mut case = Case::fast("v6", "");
    case.address = V6;
    takes_turns(&case);
}

#[test]
fn root_a_virtual_mac_takes_turns_with_keepalived() {
    takes_turns(&Case::fast("mac", "use_vmac vrrp.51"));
}

#[test]
fn root_an_ipv6_virtual_mac_takes_turns_with_keepalived() {
    let mut case = Case::fast("mac6", "use_vmac vrrp6.51");
    case.address = V6;
    takes_turns(&case);
}
