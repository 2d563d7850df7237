//! A director's host in a namespace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Wire, assert_same};
use xvs_host::{DirectorCommand, DirectorStatus, DirectorUp, Down, Report, director};

fn up(wire: &Wire, vips: &[&str]) -> Report {
    let report = director(&DirectorCommand::Up(DirectorUp {
        vips: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        interface: "veth0".to_owned(),
        method: None,
        common: wire.common(),
    }))
    .unwrap();
    assert!(report.as_wanted(), "{report}");
    report
}

fn down(wire: &Wire, vips: &[&str]) -> Report {
    director(&DirectorCommand::Down(Down {
        vips: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        method: None,
        interfaces: Vec::new(),
        common: wire.common(),
    }))
    .unwrap()
}

fn status(wire: &Wire) -> Report {
    director(&DirectorCommand::Status(DirectorStatus {
        vips: Vec::new(),
        interface: None,
        method: None,
        common: wire.common(),
    }))
    .unwrap()
}

#[test]
fn root_down_restores_what_forwarding_changed_along() {
    let Some(wire) = Wire::make("director") else {
        return;
    };
    // what the switch for all links would overwrite
    wire.set("s", "ipv4/conf/veth0/forwarding", "1");
    wire.set("s", "ipv4/conf/all/accept_redirects", "0");
    wire.set("s", "ipv6/conf/veth0/forwarding", "1");
    let before = wire.snapshot();
    up(&wire, &["192.168.56.40", "10.9.0.40/24", "2001:db8:51::9"]);
    let once = wire.snapshot();
    assert_ne!(once, before);
    up(&wire, &["192.168.56.40", "10.9.0.40/24", "2001:db8:51::9"]);
    assert_same(&wire.snapshot(), &once);
    assert!(status(&wire).as_wanted());
    assert!(down(&wire, &[]).items.is_empty());
    assert_same(&wire.snapshot(), &before);
}

#[test]
fn root_one_vip_of_two_can_go() {
    let Some(wire) = Wire::make("director2") else {
        return;
    };
    let before = wire.snapshot();
    up(&wire, &["192.168.56.40", "192.168.56.41"]);
    let left = down(&wire, &["192.168.56.40"]);
    assert!(left.as_wanted(), "{left}");
    let text = left.to_string();
    assert!(
        text.contains("192.168.56.41") && !text.contains("192.168.56.40"),
        "{text}"
    );
    down(&wire, &["192.168.56.41"]);
    assert_same(&wire.snapshot(), &before);
}
