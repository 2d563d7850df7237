//! What becomes of the addresses: kill, restart, removal by somebody else, reload, split brain.

use std::time::{Duration, Instant};

use crate::rig::{Rig, can_run, wait_for};

const VIP: &str = "10.99.0.100";
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(600);

fn configuration(priority: u8, pace: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance VI {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n {pace}\n priority \
         {priority}\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n"
    )
}

const SLOW: &str = "advert_int 1";
const FAST: &str = "version 3\n advert_int 0.1";

#[test]
fn root_a_killed_master_goes_on_after_its_restart_and_nothing_moves() {
    if !can_run(true) {
        return;
    }
    let rig = Rig::new("kill");
    let ours = configuration(150, SLOW, "10.99.0.100/24");
    let mut killed = rig.routers("a", &ours);
    wait_for("ours to be master", Duration::from_secs(6), || {
        rig.has("a", VIP)
    });
    let peer = rig.keepalived("b", &configuration(100, SLOW, "10.99.0.100/24"));
    wait_for("the peer to listen", SLACK * 3, || {
        peer.log().contains("Entering BACKUP STATE")
    });
    std::thread::sleep(Duration::from_millis(1_200));

    let kill = Instant::now();
    killed.kill();
    assert!(rig.has("a", VIP), "the address stays");
    let again = rig.routers("a", &ours);
    wait_for("ours to go on", Duration::from_secs(2), || {
        assert!(rig.has("a", VIP), "the address stays all the time");
        again.says("resumed after a restart")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(rig.has("a", VIP));
    assert_eq!(
        rig.adverts("b", kill),
        [],
        "the peer never claimed: {}",
        peer.log()
    );
    assert!(rig.adverts("a", kill).len() >= 3);
}

#[test]
fn root_a_master_that_comes_back_too_late_begins_as_backup_without_the_address() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("late");
    let ours = configuration(150, FAST, "10.99.0.100/24");
    let mut killed = rig.routers("a", &ours);
    wait_for("ours to be master", SLACK * 3, || rig.has("a", VIP));
    killed.kill();
    std::thread::sleep(Duration::from_millis(500));
    assert!(rig.has("a", VIP), "nobody took it away");
    let again = rig.routers("a", &ours);
    wait_for("ours to begin as backup", SLACK * 3, || {
        again.says("Entering BACKUP STATE (start)")
    });
    // It listens before it claims; what was left behind goes first.
    wait_for("the address to go", SLACK, || {
        !rig.has("a", VIP) || again.says("MASTER")
    });
    wait_for("ours to be master again", SLACK * 3, || {
        rig.has("a", VIP) && again.says("no master was heard")
    });
}

#[test]
fn root_an_address_that_somebody_removes_is_put_back_without_an_election() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("back");
    let lines = "10.99.0.100/24\n 10.99.0.101/24 label eth0:1\n 10.99.0.102/24 no_track";
    let ours = rig.routers("a", &configuration(150, FAST, lines));
    wait_for("ours to be master", SLACK * 3, || {
        rig.has("a", "10.99.0.102")
    });
    assert!(rig.ip("a", "-o addr show").contains("eth0:1"));
    std::thread::sleep(SLACK);
    let removed = Instant::now();
    rig.ip("a", &format!("addr del {VIP}/24 dev eth0"));
    wait_for("it to be put back", SLACK, || rig.has("a", VIP));
    wait_for("it to be announced", SLACK, || {
        rig.frames()
            .iter()
            .any(|frame| frame.at > removed && frame.announces())
    });
    ours.must_say("VIPs were removed by somebody else");
    assert!(
        rig.adverts("a", removed)
            .iter()
            .all(|(_, priority)| *priority == 150)
    );
    // One that is not tracked may go.
    rig.ip("a", "addr del 10.99.0.102/24 dev eth0");
    std::thread::sleep(SLACK * 2);
    assert!(!rig.has("a", "10.99.0.102"));
}

#[test]
fn root_a_reload_brings_addresses_to_what_it_says_and_the_master_stays() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("load");
    let mut ours = rig.routers("a", &configuration(150, FAST, "10.99.0.100/24"));
    wait_for("ours to be master", SLACK * 3, || rig.has("a", VIP));
    let reload = Instant::now();
    ours.reload(&configuration(150, FAST, "10.99.0.100/24\n 10.99.0.101/24"));
    wait_for("the new address", SLACK, || rig.has("a", "10.99.0.101"));
    ours.reload(&configuration(150, FAST, "10.99.0.101/24"));
    wait_for("the old address to go", SLACK, || !rig.has("a", VIP));
    assert!(rig.has("a", "10.99.0.101"));
    assert!(
        !rig.adverts("a", reload)
            .iter()
            .any(|(_, priority)| *priority == 0)
    );
    ours.reload("global_defs {\n}\n");
    wait_for("the last address to go", SLACK, || {
        !rig.has("a", "10.99.0.101")
    });
    wait_for("the release", SLACK, || {
        rig.last_priority("a", reload) == Some(0)
    });
    ours.must_say("DELETED");
}

#[test]
fn root_whoever_wins_a_split_brain_announces_again() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("split");
    let better = rig.routers("a", &configuration(150, FAST, "10.99.0.100/24"));
    let other = rig.routers("b", &configuration(100, FAST, "10.99.0.100/24"));
    wait_for("the better to be master", SLACK * 3, || rig.has("a", VIP));
    // A partition inside the bridge: the links of both hosts stay up.
    rig.ip("s", "link set to-b nomaster");
    wait_for("two masters", SLACK * 3, || rig.has("b", VIP));
    let frames = rig.frames();
    let of_other =
        |frame: &&crate::rig::Frame| frame.advert().is_some_and(|(_, priority)| priority == 100);
    let heard = frames.iter().rfind(of_other).unwrap();
    let healed = Instant::now();
    // The better one hears the other first.
    rig.inject("to-a", &heard.bytes);
    wait_for("the better to tell", SLACK, || {
        better.says("MASTER_RX_LOWER_PRI")
    });
    better.must_say("forcing new election");
    wait_for("the better to announce again", SLACK, || {
        let announces = |frame: &crate::rig::Frame| {
            frame.at > healed && frame.announces() && frame.bytes[6..8] == [0xc6, 0x3b]
        };
        rig.frames().iter().any(announces)
    });
    rig.ip("s", "link set to-b master br0");
    wait_for("the other to yield", SLACK * 3, || !rig.has("b", VIP));
    other.must_say("is master with priority 150");
}

#[test]
fn root_a_failover_on_request_hands_over_and_stays_over() {
    if !can_run(true) {
        return;
    }
    let rig = Rig::new("over");
    let mut ours = rig.routers("a", &configuration(150, FAST, "10.99.0.100/24"));
    wait_for("ours to be master", SLACK * 3, || rig.has("a", VIP));
    let peer = rig.keepalived("b", &configuration(100, FAST, "10.99.0.100/24"));
    wait_for("the peer to listen", SLACK * 3, || {
        peer.log().contains("Entering BACKUP STATE")
    });
    ours.command("failover VI");
    wait_for("the peer to take over", SLACK, || rig.has("b", VIP));
    assert!(!rig.has("a", VIP));
    ours.must_say("failover on request");
    std::thread::sleep(Duration::from_secs(1));
    assert!(rig.has("b", VIP), "it is not preempted");
}

#[test]
fn root_routes_and_rules_come_with_the_addresses_are_put_back_and_go() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("route");
    let lines = "10.99.0.100/24\n }\n virtual_routes {\n \
                 192.0.2.0/24 via 10.99.0.2 dev eth0 src 10.99.0.100\n \
                 blackhole 198.51.100.0/24 table 100\n }\n virtual_rules {\n \
                 from 10.99.0.100 table 100 preference 77";
    let mut ours = rig.routers("a", &configuration(150, FAST, lines));
    let route = || rig.ip("a", "route show 192.0.2.0/24");
    let rule = || {
        rig.ip("a", "rule show")
            .contains("from 10.99.0.100 lookup 100")
    };
    wait_for("the rule", SLACK * 3, rule);
    assert!(
        route().contains("via 10.99.0.2 dev eth0 proto keepalived src 10.99.0.100"),
        "{}",
        route()
    );
    assert!(
        rig.ip("a", "route show table 100")
            .contains("blackhole 198.51.100.0/24")
    );

    rig.ip("a", "route del 192.0.2.0/24");
    rig.ip("a", "rule del preference 77");
    wait_for("both to be put back", SLACK, || {
        !route().is_empty() && rule()
    });

    ours.stop();
    assert!(route().is_empty() && !rule());
    assert_eq!(rig.ip("a", "route show table 100"), "");
}

#[test]
fn root_static_settings_are_there_whoever_is_master_and_go_with_the_daemon() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("static");
    let fixed = "static_ipaddress {\n 10.98.0.1/24 dev eth0\n }\n static_routes {\n \
                 203.0.113.0/24 via 10.98.0.2 dev eth0\n }\n";
    let backup = configuration(50, SLOW, "10.99.0.100/24");
    let mut ours = rig.routers("a", &format!("{fixed}{backup}"));
    let route = || rig.ip("a", "route show 203.0.113.0/24");
    wait_for("both", SLACK, || {
        rig.has("a", "10.98.0.1") && !route().is_empty()
    });
    ours.stop();
    assert!(!rig.has("a", "10.98.0.1") && route().is_empty());
}
