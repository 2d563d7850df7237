use std::{net::IpAddr, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    Family, Persistence, PersistenceMask, Scheduler, Thresholds, Tunnel, TunnelChecksum,
    TunnelKind, Weight, diff,
};

fn vip(port: u16) -> VirtualServerId {
    VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), port))
}

fn mark(mark: u32) -> VirtualServerId {
    VirtualServerId::Mark {
        family: Family::V4,
        mark,
    }
}

fn add(id: VirtualServerId) -> Op {
    Op::AddVirtualServer {
        virtual_server: VirtualServer::new(id),
    }
}

fn server(address: &str, port: u16, method: ForwardingMethod) -> RealServer {
    RealServer {
        method,
        ..RealServer::new(Endpoint::new(address.parse().unwrap(), port))
    }
}

fn add_server(virtual_server: VirtualServerId, real_server: RealServer) -> Op {
    Op::AddRealServer {
        virtual_server,
        real_server,
    }
}

fn built(ops: &[Op]) -> Rules {
    let mut rules = Rules::new();
    assert_eq!(rules.apply_all(ops), Ok(()));
    rules
}

#[test]
fn virtual_servers_come_in_the_order_of_adding_after_deletes_too() {
    let mut rules = built(&[add(vip(3)), add(vip(1)), add(vip(2))]);
    rules
        .apply(&Op::DeleteVirtualServer { id: vip(3) })
        .unwrap();
    rules.apply(&add(vip(3))).unwrap();
    let ports: Vec<u16> = rules.rules().iter().map(|rule| rule.0.id.port()).collect();
    assert_eq!(ports, [1, 2, 3]);
    for port in 1..=3 {
        assert_eq!(rules.rule(&vip(port)).unwrap().0.id, vip(port));
    }
}

#[test]
fn direct_and_tunnel_take_the_port_of_the_virtual_server_and_nat_keeps_its_own() {
    let rules = built(&[
        add(vip(80)),
        add_server(vip(80), server("10.0.0.1", 8080, ForwardingMethod::Direct)),
        add_server(
            vip(80),
            server(
                "10.0.0.2",
                8080,
                ForwardingMethod::Tunnel(Tunnel::default()),
            ),
        ),
        add_server(vip(80), server("10.0.0.3", 8080, ForwardingMethod::Nat)),
        add(mark(1)),
        add_server(mark(1), server("10.0.0.1", 8080, ForwardingMethod::Direct)),
    ]);
    let ports = |id| -> Vec<u16> {
        let (_, servers) = rules.rule(&id).unwrap();
        servers.iter().map(|server| server.endpoint.port).collect()
    };
    assert_eq!(ports(vip(80)), [80, 80, 8080]);
    assert_eq!(ports(mark(1)), [8080]);
}

#[test]
fn what_exists_is_refused_and_what_is_missing_too() {
    let nat = server("10.0.0.1", 8080, ForwardingMethod::Nat);
    let endpoint = nat.endpoint;
    let mut rules = built(&[add(vip(80)), add_server(vip(80), nat)]);
    let missing = |id| Err(OpError::VirtualServerMissing { id });
    assert_eq!(
        rules.apply(&add(vip(80))),
        Err(OpError::VirtualServerExists { id: vip(80) })
    );
    assert_eq!(
        rules.apply(&add_server(vip(80), nat)),
        Err(OpError::RealServerExists { endpoint })
    );
    assert_eq!(rules.apply(&add_server(vip(81), nat)), missing(vip(81)));
    assert_eq!(
        rules.apply(&Op::DeleteVirtualServer { id: vip(81) }),
        missing(vip(81))
    );
    assert_eq!(
        rules.apply(&Op::Zero { id: Some(vip(81)) }),
        missing(vip(81))
    );
    assert_eq!(rules.apply(&Op::Zero { id: None }), Ok(()));
    // Without NAT the edit means port 80, where there is none.
    assert_eq!(
        rules.apply(&Op::EditRealServer {
            virtual_server: vip(80),
            real_server: RealServer::new(endpoint),
        }),
        Err(OpError::RealServerMissing {
            endpoint: Endpoint::new(endpoint.address, 80)
        })
    );
}

#[test]
fn an_edit_replaces_all_settings() {
    let limited = RealServer {
        thresholds: Thresholds { upper: 9, lower: 4 },
        weight: Weight::new(7).unwrap(),
        ..server("10.0.0.1", 80, ForwardingMethod::Nat)
    };
    let mut rules = built(&[add(vip(80)), add_server(vip(80), limited)]);
    let plain = RealServer::new(limited.endpoint);
    rules
        .apply(&Op::EditRealServer {
            virtual_server: vip(80),
            real_server: plain,
        })
        .unwrap();
    assert_eq!(rules.real_server(&vip(80), plain.endpoint), Some(&plain));
}

#[test]
fn faults_are_reported_in_the_kernels_order() {
    // Reversed thresholds before a server that exists, that before an address that is no host's.
    let reversed = Thresholds { upper: 1, lower: 2 };
    let good = server("10.0.0.1", 80, ForwardingMethod::Nat);
    let mut rules = built(&[add(vip(80)), add_server(vip(80), good)]);
    let both = RealServer {
        thresholds: reversed,
        ..good
    };
    assert_eq!(
        rules.apply(&add_server(vip(80), both)),
        Err(OpError::ThresholdsReversed {
            endpoint: good.endpoint,
            thresholds: reversed
        })
    );
    let multicast = server("224.0.0.1", 80, ForwardingMethod::Nat);
    assert!(matches!(
        rules.apply(&add_server(vip(80), multicast)),
        Err(OpError::NotUnicast { .. })
    ));
}

#[test]
fn addresses_of_no_host_are_refused_as_real_servers() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::2",
        "fe80::2",
        "::ffff:10.0.0.1",
    ] {
        assert!(
            check::unicast(address.parse().unwrap()).is_err(),
            "{address}"
        );
    }
    for address in ["127.0.0.1", "10.0.0.1", "::1", "2001:db8::1", "240.0.0.1"] {
        assert_eq!(
            check::unicast(address.parse().unwrap()),
            Ok(()),
            "{address}"
        );
    }
}

#[test]
fn only_a_tunnel_crosses_families_and_not_beside_a_sync_daemon() {
    let v6 = VirtualServerId::tcp("[2001:db8::1]:80".parse().unwrap());
    let tunnel = ForwardingMethod::Tunnel(Tunnel::default());
    let mut rules = built(&[add(v6)]);
    assert!(matches!(
        rules.apply(&add_server(
            v6,
            server("10.0.0.1", 80, ForwardingMethod::Nat)
        )),
        Err(OpError::FamilyMismatch { .. })
    ));
    rules
        .apply(&add_server(v6, server("10.0.0.1", 80, tunnel)))
        .unwrap();
    let start = Op::StartSyncDaemon {
        daemon: daemon(SyncRole::Master),
    };
    assert!(matches!(rules.apply(&start), Err(OpError::Invalid { .. })));
}

#[test]
fn port_zero_needs_persistence_and_one_packet_needs_udp() {
    let mut rules = Rules::new();
    assert_eq!(
        rules.apply(&add(vip(0))),
        Err(OpError::PortZeroNeedsPersistence { id: vip(0) })
    );
    let one_packet = VirtualServer {
        one_packet: true,
        ..VirtualServer::new(vip(80))
    };
    assert!(matches!(
        rules.apply(&Op::AddVirtualServer {
            virtual_server: one_packet
        }),
        Err(OpError::Invalid { .. })
    ));
}

#[test]
fn one_daemon_of_each_role_runs_and_a_flush_leaves_it() {
    let mut rules = built(&[
        add(vip(80)),
        Op::StartSyncDaemon {
            daemon: daemon(SyncRole::Master),
        },
        Op::StartSyncDaemon {
            daemon: daemon(SyncRole::Backup),
        },
    ]);
    assert_eq!(
        rules.apply(&Op::StartSyncDaemon {
            daemon: daemon(SyncRole::Master)
        }),
        Err(OpError::SyncDaemonExists)
    );
    rules.apply(&Op::Flush).unwrap();
    assert_eq!(rules.rules(), []);
    assert_eq!(rules.sync_daemons().len(), 2);
    let stop = Op::StopSyncDaemon {
        role: SyncRole::Master,
    };
    assert_eq!(rules.apply(&stop), Ok(()));
    assert_eq!(rules.apply(&stop), Err(OpError::SyncDaemonMissing));
}

#[test]
fn a_batch_with_a_refused_op_changes_nothing_and_names_the_op() {
    let mut rules = built(&[add(vip(80))]);
    let before = rules.clone();
    assert_eq!(
        rules.apply_all(&[add(vip(81)), Op::Flush, add(vip(82)), add(vip(82))]),
        Err((3, OpError::VirtualServerExists { id: vip(82) }))
    );
    assert_eq!(rules, before);
}

#[test]
fn a_broken_file_is_refused_with_the_reason() {
    let text = serde_json::to_string(&built(&[add(vip(80))])).unwrap();
    let broken = text.replace("\"port\":80", "\"port\":0");
    let error = serde_json::from_str::<Rules>(&broken).unwrap_err();
    assert!(error.to_string().contains("needs persistence"), "{error}");
}

fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: "eth0".to_owned(),
        sync_id: 0,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    }
}

fn any_id() -> impl Strategy<Value = VirtualServerId> {
    prop_oneof![
        (0_u16..4).prop_map(vip),
        (1_u32..4).prop_map(mark),
        Just(VirtualServerId::tcp("[2001:db8::1]:80".parse().unwrap())),
    ]
}

fn any_method() -> impl Strategy<Value = ForwardingMethod> {
    let gue = Tunnel {
        kind: TunnelKind::Gue { port: 6080 },
        checksum: TunnelChecksum::Outer,
    };
    prop_oneof![
        Just(ForwardingMethod::Direct),
        Just(ForwardingMethod::Nat),
        Just(ForwardingMethod::FullNat),
        Just(ForwardingMethod::Tunnel(Tunnel::default())),
        Just(ForwardingMethod::Tunnel(gue)),
    ]
}

fn any_virtual_server() -> impl Strategy<Value = VirtualServer> {
    (any_id(), 0_usize..14, any::<bool>(), 1_u64..100).prop_map(
        |(id, scheduler, persistent, seconds)| {
            let mask = match id.family() {
                Family::V4 => PersistenceMask::V4("255.255.255.0".parse().unwrap()),
                Family::V6 => PersistenceMask::V6(64),
            };
            VirtualServer {
                scheduler: Scheduler::ALL[scheduler],
                persistence: persistent.then(|| Persistence {
                    timeout: Duration::from_secs(seconds),
                    mask,
                }),
                ..VirtualServer::new(id)
            }
        },
    )
}

fn any_real_server() -> impl Strategy<Value = RealServer> {
    let address = prop_oneof![
        (1_u8..5).prop_map(|host| IpAddr::from([10, 0, 0, host])),
        Just(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9])),
    ];
    (address, 80_u16..82, any_method(), 0_u32..5, 0_u32..3).prop_map(
        |(address, port, method, weight, upper)| RealServer {
            endpoint: Endpoint::new(address, port),
            method,
            weight: Weight::new(weight).unwrap(),
            thresholds: Thresholds { upper, lower: 1 },
        },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let server = |(virtual_server, real_server)| Op::AddRealServer {
        virtual_server,
        real_server,
    };
    prop_oneof![
        4 => any_virtual_server().prop_map(|virtual_server| Op::AddVirtualServer { virtual_server }),
        8 => (any_id(), any_real_server()).prop_map(server),
        2 => any_virtual_server().prop_map(|virtual_server| Op::EditVirtualServer { virtual_server }),
        2 => (any_id(), any_real_server()).prop_map(|(virtual_server, real_server)| {
            Op::EditRealServer { virtual_server, real_server }
        }),
        1 => (any_id(), any_real_server()).prop_map(|(virtual_server, real_server)| {
            Op::DeleteRealServer { virtual_server, endpoint: real_server.endpoint }
        }),
        1 => any_id().prop_map(|id| Op::DeleteVirtualServer { id }),
    ]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    prop::collection::vec(any_op(), 0..60).prop_map(|ops| {
        let mut rules = Rules::new();
        for op in &ops {
            // Refused ops are part of the history.
            let _refused = rules.apply(op);
        }
        rules
    })
}

/// The rules with order taken out of them.
fn sorted(rules: &Rules) -> Vec<Rule> {
    let mut all = rules.rules().to_vec();
    all.sort_by_key(|rule| rule.0.id);
    for (_, servers) in &mut all {
        servers.sort_by_key(|server| server.endpoint);
    }
    all
}

proptest! {
    #[test]
    fn a_diff_applied_to_the_old_rules_gives_the_new(old in any_rules(), new in any_rules()) {
        let mut changed = old.clone();
        let ops = diff(old.rules(), new.rules());
        prop_assert_eq!(changed.apply_all(&ops), Ok(()));
        prop_assert_eq!(sorted(&changed), sorted(&new));
    }

    #[test]
    fn every_rule_is_found_by_its_identity(rules in any_rules()) {
        for rule in rules.rules() {
            prop_assert_eq!(rules.rule(&rule.0.id), Some(rule));
        }
    }

    #[test]
    fn rules_read_back_as_they_were_written(rules in any_rules()) {
        let text = serde_json::to_string(&rules).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), rules);
    }
}
