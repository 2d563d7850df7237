//! On maps of this process.

use std::sync::Arc;

use xvs_datapath::{
    abi::{Address, NONE},
    native::Tables,
};
use xvs_types::{Endpoint, Op, RealServer, Scheduler, VirtualServer, VirtualServerId};

use super::*;
use crate::{Atomicity, Dataplane};

fn id(port: u16) -> VirtualServerId {
    VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), port))
}

fn real(port: u16, last: u8) -> RealServer {
    RealServer::new(Endpoint::new([10, 0, 0, last].into(), port))
}

fn virtual_server(port: u16, scheduler: Scheduler) -> VirtualServer {
    let mut server = VirtualServer::new(id(port));
    server.scheduler = scheduler;
    server
}

fn apply(bpf: &mut Bpf, ops: Vec<Op>) {
    for result in bpf.apply(&ops, Atomicity::AllOrNothing) {
        result.unwrap();
    }
}

/// Two virtual servers of lblcr with three real servers each, which remember a destination: the first
/// its first two real servers, the second all three.
fn world() -> (Arc<Tables>, Bpf) {
    let (tables, mut bpf) = Bpf::small();
    for (port, known) in [(80, 2), (81, 3)] {
        let mut ops = vec![Op::AddVirtualServer {
            virtual_server: virtual_server(port, Scheduler::Lblcr),
        }];
        ops.extend((1..=3).map(|last| Op::AddRealServer {
            virtual_server: id(port),
            real_server: real(port, last),
        }));
        apply(&mut bpf, ops);
        let slot = bpf.servers.slot_of(&id(port)).unwrap();
        let mut servers = Locality::NOBODY;
        for (place, last) in servers.iter_mut().zip(1..=known) {
            *place = bpf
                .servers
                .real_of_rule(slot, &id(port), &real(port, last))
                .unwrap();
        }
        let kept = Locality {
            stamp: 1000,
            changed: 1000,
            lock: 0,
            spare: 0,
            servers,
        };
        assert!(tables.localities.insert_new(key(slot), kept));
    }
    (tables, bpf)
}

fn key(slot: u32) -> LocalityKey {
    LocalityKey {
        address: Address::default(),
        virtual_server: slot,
    }
}

/// The virtual servers of which something is remembered.
fn remembered(tables: &Tables) -> Vec<u32> {
    let entries = tables.localities.entries();
    entries.iter().map(|(key, _)| key.virtual_server).collect()
}

#[test]
fn a_virtual_server_that_is_deleted_and_added_again_begins_without_destinations() {
    let (tables, mut bpf) = world();
    let other = bpf.servers.slot_of(&id(81)).unwrap();
    apply(&mut bpf, vec![Op::DeleteVirtualServer { id: id(80) }]);
    assert_eq!(remembered(&tables), [other]);
}

#[test]
fn what_a_packet_notes_of_a_deleted_virtual_server_is_not_inherited_with_its_slot() {
    let (tables, mut bpf) = world();
    let slot = bpf.servers.slot_of(&id(80)).unwrap();
    let kept = tables.localities.get(&key(slot)).unwrap();
    apply(&mut bpf, vec![Op::DeleteVirtualServer { id: id(80) }]);
    assert!(tables.localities.insert_new(key(slot), kept));
    bpf.housekeep();
    apply(
        &mut bpf,
        vec![Op::AddVirtualServer {
            virtual_server: virtual_server(82, Scheduler::Lblcr),
        }],
    );
    assert_eq!(bpf.servers.slot_of(&id(82)), Some(slot));
    assert!(!remembered(&tables).contains(&slot));
}

#[test]
fn another_scheduler_begins_without_destinations() {
    let (tables, mut bpf) = world();
    let other = bpf.servers.slot_of(&id(81)).unwrap();
    let edit = |scheduler| {
        vec![Op::EditVirtualServer {
            virtual_server: virtual_server(80, scheduler),
        }]
    };
    apply(&mut bpf, edit(Scheduler::Lblcr));
    assert_eq!(remembered(&tables).len(), 2);
    apply(&mut bpf, edit(Scheduler::Lblc));
    assert_eq!(remembered(&tables), [other]);
}

#[test]
fn a_real_server_whose_slot_is_given_back_leaves_the_sets() {
    let (tables, mut bpf) = world();
    let slot = bpf.servers.slot_of(&id(81)).unwrap();
    let before = tables.localities.get(&key(slot)).unwrap().servers;
    apply(
        &mut bpf,
        vec![Op::DeleteRealServer {
            virtual_server: id(81),
            endpoint: real(81, 1).endpoint,
        }],
    );
    bpf.housekeep();
    let [_first, second, third, ..] = before;
    let after = tables.localities.get(&key(slot)).unwrap().servers;
    assert_eq!(after[..3], [second, third, NONE]);
    assert_eq!(remembered(&tables).len(), 2);
}
