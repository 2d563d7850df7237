//! What rare keywords do to the host and to elections.

use std::time::{Duration, Instant};

use crate::rig::{Rig, can_run, wait_for};

const VIP: &str = "10.99.0.100";
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_500);

/// A fast virtual router on `eth0` with these lines, `addresses` and a priority.
fn router(priority: u8, lines: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance VI {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n version 3\n \
         advert_int 0.1\n priority {priority}\n {lines}\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n"
    )
}

#[test]
fn root_a_master_with_no_accept_is_found_but_answers_nothing() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("noacc");
    let mut ours = rig.routers("a", &router(150, "no_accept", "10.99.0.100/24"));
    wait_for("ours to be master", SLACK, || rig.has("a", VIP));
    assert!(rig.answers("10.99.0.1"), "the host itself answers");
    assert!(!rig.answers(VIP));
    let neighbour = rig.ip("b", &format!("neigh show {VIP}"));
    assert!(neighbour.contains("lladdr"), "{neighbour:?}");
    ours.reload(&router(150, "accept", "10.99.0.100/24"));
    wait_for("it to answer", SLACK, || rig.answers(VIP));
    // What a daemon that was killed had refused the next one takes back.
    ours.reload(&router(150, "no_accept", "10.99.0.100/24"));
    wait_for("it to answer no more", SLACK, || !rig.answers(VIP));
    ours.kill();
    let mut again = rig.routers("a", &router(150, "", "10.99.0.100/24"));
    wait_for("it to answer again", SLACK * 2, || rig.answers(VIP));
    again.reload(&router(150, "no_accept", "10.99.0.100/24"));
    wait_for("it to answer no more", SLACK, || !rig.answers(VIP));
    again.stop();
    let tables = rig.output("a", "nft", "list tables");
    assert_eq!(tables, "", "nothing of it stays");
}

#[test]
fn root_use_vmac_addr_gives_addresses_elsewhere_the_virtual_mac_too() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("macs");
    rig.ip("a", "link add eth1 type veth peer name eth2");
    rig.ip("a", "link set eth1 up");
    rig.ip("a", "link set eth2 up");
    let lines = "use_vmac\n use_vmac_addr";
    let addresses = "10.99.0.100/24\n 10.98.0.100/24 dev eth1";
    let mut ours = rig.routers("a", &router(150, lines, addresses));
    wait_for("ours to be master", SLACK, || rig.has("a", "10.98.0.100"));
    for (link, address) in [("vrrp.51", VIP), ("vrrp.51.1", "10.98.0.100")] {
        let shown = rig.ip("a", &format!("addr show dev {link}"));
        assert!(shown.contains(address), "{shown}");
        assert!(shown.contains("00:00:5e:00:01:33"), "{shown}");
    }
    ours.stop();
    assert!(!rig.ip("a", "link show").contains("vrrp.51"));
}

#[test]
fn root_an_address_has_its_peer() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("peer");
    let lines = "10.98.0.100 peer 10.98.0.1";
    let mut ours = rig.routers("a", &router(150, "", lines));
    let shown = || rig.ip("a", "addr show dev eth0");
    wait_for("ours to be master", SLACK, || ours.says("MASTER STATE"));
    wait_for("the address", SLACK, || {
        shown().contains("10.98.0.100 peer 10.98.0.1/32")
    });
    ours.stop();
    assert!(!rig.ip("a", "addr show dev eth0").contains("10.98.0.100"));
}

#[test]
fn root_without_its_source_address_a_virtual_router_is_in_fault() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("source");
    let lines = "mcast_src_ip 10.99.0.7\n track_src_ip";
    let ours = rig.routers("a", &router(150, lines, "10.99.0.100/24"));
    wait_for("the fault", SLACK, || ours.says("Entering FAULT STATE"));
    rig.ip("a", "addr add 10.99.0.7/24 dev eth0");
    wait_for("ours to be master", SLACK, || rig.has("a", VIP));
    rig.ip("a", "addr del 10.99.0.7/24 dev eth0");
    wait_for("the fault", SLACK, || !rig.has("a", VIP));
}

#[test]
fn root_unicast_without_a_peer_is_a_fault_where_it_is_said() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("nopeer");
    let ours = rig.routers("a", &router(150, "unicast_fault_no_peer", "10.99.0.100/24"));
    wait_for("the fault", SLACK, || ours.says("Entering FAULT STATE"));
    std::thread::sleep(SLACK);
    assert!(!rig.has("a", VIP), "{:?}", ours.told());
}

#[test]
fn root_an_interface_with_a_delay_is_down_only_after_it() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("delay");
    // Version 2 at 1 s: the delay may be two seconds at most.
    let slow = router(150, "", "10.99.0.100/24")
        .replace("version 3", "version 2")
        .replace("advert_int 0.1", "advert_int 1");
    let delayed = format!("interface_up_down_delays {{\n eth0 2 1\n}}\n{slow}");
    let ours = rig.routers("a", &delayed);
    wait_for("ours to be master", SLACK * 4, || rig.has("a", VIP));
    let faults = || {
        ours.told()
            .iter()
            .filter(|line| line.contains("FAULT STATE"))
            .count()
    };
    let before = faults();
    rig.ip("s", "link set to-a down");
    std::thread::sleep(Duration::from_millis(800));
    rig.ip("s", "link set to-a up");
    std::thread::sleep(Duration::from_millis(1_800));
    assert_eq!(faults(), before, "it was down too short: {:?}", ours.told());
    let down = Instant::now();
    rig.ip("s", "link set to-a down");
    wait_for("the fault", SLACK * 3, || faults() > before);
    assert!(
        down.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        down.elapsed()
    );
    let up = Instant::now();
    rig.ip("s", "link set to-a up");
    wait_for("the end of the fault", SLACK * 2, || {
        ours.says("all that is tracked is up again")
    });
    assert!(
        up.elapsed() >= Duration::from_millis(900),
        "{:?}",
        up.elapsed()
    );
}

#[test]
fn root_a_garp_group_spaces_the_announcements_of_its_interfaces() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("garp");
    let group = "garp_group {\n garp_interval 0.1\n interface eth0\n}\n";
    let addresses = "10.99.0.100/24\n 10.99.0.101/24\n 10.99.0.102/24";
    let _ours = rig.routers("a", &format!("{group}{}", router(150, "", addresses)));
    let announced = || -> Vec<Instant> {
        let frames = rig.frames();
        let announcing = frames.iter().filter(|frame| frame.announces());
        announcing.map(|frame| frame.at).collect()
    };
    wait_for("announcements", SLACK * 3, || announced().len() >= 6);
    for pair in announced().windows(2) {
        let pause = pair[1] - pair[0];
        assert!(pause > Duration::from_millis(60), "{pause:?}");
    }
}

#[test]
fn root_no_accept_is_put_back_when_somebody_removes_it() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("flush");
    let mut ours = rig.routers("a", &router(150, "no_accept", "10.99.0.100/24"));
    wait_for("ours to be master", SLACK, || rig.has("a", VIP));
    assert!(!rig.answers(VIP));
    for (number, deed) in ["flush ruleset", "flush chain inet xvs_vrrp_xvs_a input"]
        .into_iter()
        .enumerate()
    {
        rig.output("a", "nft", deed);
        wait_for("it to be told", SLACK * 2, || {
            let told = ours.told();
            told.iter()
                .filter(|line| line.contains("it is back"))
                .count()
                == number + 1
        });
        assert!(!rig.answers(VIP), "after `nft {deed}`");
    }
    // What others change of theirs is nothing to tell.
    rig.output("a", "nft", "add table inet theirs");
    rig.output("a", "nft", "delete table inet theirs");
    std::thread::sleep(SLACK);
    let told = ours.told();
    assert_eq!(
        told.iter()
            .filter(|line| line.contains("it is back"))
            .count(),
        2
    );
    ours.stop();
    assert_eq!(rig.output("a", "nft", "list tables"), "");
}

#[test]
fn root_another_group_is_shared_with_keepalived() {
    if !can_run(true) {
        return;
    }
    let rig = Rig::new("group");
    let begin = Instant::now();
    let global = "global_defs {\n vrrp_mcast_group4 224.0.0.99\n}\n";
    let with = |priority| format!("{global}{}", router(priority, "", "10.99.0.100/24"));
    let keepalived = rig.keepalived("b", &with(100));
    wait_for("keepalived to be master", SLACK * 4, || rig.has("b", VIP));
    let mut ours = rig.routers("a", &with(150));
    wait_for("ours to be master alone", SLACK * 2, || {
        rig.has("a", VIP) && !rig.has("b", VIP)
    });
    // Back to the group of the RFC by a reload, where keepalived does not hear it.
    ours.reload(&router(150, "", "10.99.0.100/24"));
    wait_for("keepalived to be master too", SLACK * 2, || {
        rig.has("b", VIP)
    });
    // And by the instance's own keyword to where it is heard.
    ours.reload(&router(150, "mcast_dst_ip 224.0.0.99", "10.99.0.100/24"));
    wait_for("ours to be master alone", SLACK * 2, || !rig.has("b", VIP));
    let groups: std::collections::BTreeSet<[u8; 4]> = rig
        .frames()
        .iter()
        .filter(|frame| frame.at >= begin && frame.advert().is_some())
        .map(|frame| *frame.bytes[30..].first_chunk().unwrap())
        .collect();
    assert_eq!(
        groups,
        [[224, 0, 0, 18], [224, 0, 0, 99]].into(),
        "{:?}",
        keepalived.log()
    );
}
