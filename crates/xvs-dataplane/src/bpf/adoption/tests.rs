//! Maps as a daemon leaves them that dies between two writes: each is made by hand here.

use std::path::PathBuf;

use xvs_datapath::{
    abi::{Entry4, HopKind, NONE, NextHop, Slot, Tag, high32, join, low32, real_server_flag},
    state::tcp,
};
use xvs_types::{Endpoint, Op, RealServer, VirtualServer, VirtualServerId};

use super::super::{Bpf, BpfOptions, address::service_key};
use crate::{Atomicity, Dataplane};

/// A place for pins that is given up at the end, also of a test that fails.
pub(in crate::bpf) struct Place(PathBuf);

impl Place {
    /// None, with a printed reason, where the test cannot run; in CI it must.
    pub(in crate::bpf) fn new(name: &str) -> Option<Self> {
        // SAFETY: the call takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs root");
            eprintln!("skipped: needs root");
            return None;
        }
        let folder = format!("/run/xvs-adoption-{name}-{}", std::process::id());
        Some(Self(PathBuf::from(folder)))
    }

    /// A daemon's dataplane; dropping it is the daemon's death.
    pub(in crate::bpf) fn open(&self) -> Bpf {
        self.open_for(1024)
    }

    /// The same with room for so many connections.
    pub(in crate::bpf) fn open_for(&self, connections: u32) -> Bpf {
        let options = BpfOptions {
            pins: self.0.clone(),
            connections: Some(connections),
        };
        Bpf::open(&options).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let path = std::ffi::CString::new(self.0.to_str().unwrap()).unwrap();
        // SAFETY: the path is a C string.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        let _gone = std::fs::remove_dir(&self.0);
    }
}

fn id() -> VirtualServerId {
    VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), 80))
}

fn server(last: u8) -> RealServer {
    RealServer::new(Endpoint::new([10, 0, 0, last].into(), 80))
}

fn apply(bpf: &mut Bpf, ops: &[Op]) {
    for result in bpf.apply(ops, Atomicity::AllOrNothing) {
        result.unwrap();
    }
}

/// A virtual server with three real servers.
fn configure(bpf: &mut Bpf) {
    let mut ops = vec![Op::AddVirtualServer {
        virtual_server: VirtualServer::new(id()),
    }];
    ops.extend((1..=3).map(|last| Op::AddRealServer {
        virtual_server: id(),
        real_server: server(last),
    }));
    apply(bpf, &ops);
}

fn real_slot(bpf: &Bpf, last: u8) -> u32 {
    let slot = bpf.servers.slot_of(&id()).unwrap();
    bpf.servers
        .real_of_rule(slot, &id(), &server(last))
        .unwrap()
}

#[test]
fn root_a_virtual_server_that_no_packet_found_is_found_again() {
    let Some(place) = Place::new("service") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    // It died after the slot was written, before the programs were told.
    bpf.servers.forget_service(&id());
    drop(bpf);
    let mut bpf = place.open();
    assert_eq!(bpf.rules().len(), 1);
    apply(&mut bpf, &[]);
    assert_eq!(
        bpf.servers.service(&service_key(&id())),
        bpf.servers.slot_of(&id())
    );
}

#[test]
fn root_a_list_that_was_half_written_is_written_again() {
    let Some(place) = Place::new("list") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    let slot = bpf.servers.slot_of(&id()).unwrap();
    let (first, gone) = (real_slot(&bpf, 1), real_slot(&bpf, 2));
    // While the second one was deleted: the others moved up, the length is still the old one.
    let found = bpf.servers.virtual_servers.read(slot).unwrap();
    let members = bpf.servers.members(found.members);
    let place_of_gone = members.iter().position(|member| *member == gone).unwrap();
    bpf.servers.write_member(
        low32(found.members),
        u32::try_from(place_of_gone).unwrap(),
        first,
    );
    bpf.servers.set_real_flags(gone, real_server_flag::IN_USE);
    drop(bpf);
    let mut bpf = place.open();
    apply(&mut bpf, &[]);
    let found = bpf.servers.virtual_servers.read(slot).unwrap();
    assert_eq!(high32(found.members), 2);
    let mut members = bpf.servers.members(found.members);
    members.dedup();
    assert_eq!(members.len(), 2);
    bpf.housekeep();
    assert_eq!(bpf.servers.real_slots().count(), 2);
}

#[test]
fn root_a_real_server_that_was_ready_and_in_no_list_gives_its_slot_back() {
    let Some(place) = Place::new("ready") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    let slot = bpf.servers.slot_of(&id()).unwrap();
    let found = bpf.servers.virtual_servers.read(slot).unwrap();
    // The last one was added when it died: the list is as before. It begins with the one added last.
    let members = bpf.servers.members(found.members);
    for (at, member) in (0..).zip(members.iter().skip(1)) {
        bpf.servers.write_member(low32(found.members), at, *member);
    }
    bpf.servers.set_members(slot, join(low32(found.members), 2));
    drop(bpf);
    let mut bpf = place.open();
    apply(&mut bpf, &[]);
    bpf.housekeep();
    assert_eq!(bpf.servers.real_slots().count(), 2);
    assert_eq!(bpf.rules()[0].1.len(), 2);
}

#[test]
fn root_claims_are_freed_and_counts_put_right() {
    let Some(place) = Place::new("claims") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    let real_server = real_slot(&bpf, 1);
    let live = Entry4 {
        tag: Slot::LIVE | Tag::identity(1, 6, 0) | Tag::of(0, tcp::ESTABLISHED),
        real_server,
        peer: NONE,
        stamp: bpf.now(),
        ..Entry4::default()
    };
    let claimed = Entry4 {
        tag: live.tag & !Slot::MASK | Slot::BUSY,
        ..live
    };
    bpf.table4.put(0, live);
    bpf.table4.put(1, claimed);
    // Both were counted; the second one was about to be settled.
    let mut found = bpf.servers.real_servers.read(real_server).unwrap();
    found.active = 2;
    bpf.servers.real_servers.write(real_server, found);
    drop(bpf);
    let bpf = place.open();
    let found = bpf.servers.real_servers.read(real_server).unwrap();
    assert_eq!((found.active, found.inactive), (1, 0));
    assert_eq!(Tag(bpf.table4.get(1).tag).slot(), Slot::FREE);
    assert_eq!(bpf.table4.get(0).tag, live.tag);
}

#[test]
fn root_a_forgotten_next_hop_is_kept_while_an_entry_has_it() {
    let Some(place) = Place::new("hops") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    let hop = 65_000;
    bpf.ways.hops.put(
        hop,
        NextHop {
            ifindex: 1,
            kind: HopKind::ASK,
            ..NextHop::default()
        },
    );
    let entry = Entry4 {
        tag: Slot::LIVE | Tag::identity(1, 6, 0) | Tag::of(0, tcp::ESTABLISHED),
        real_server: real_slot(&bpf, 1),
        peer: NONE,
        next_hop: u16::try_from(hop).unwrap(),
        stamp: bpf.now(),
        ..Entry4::default()
    };
    bpf.table4.put(0, entry);
    drop(bpf);
    let mut bpf = place.open();
    assert!(!bpf.ways.hops.may_hand_out(hop));
    bpf.housekeep();
    assert!(!bpf.ways.hops.may_hand_out(hop));
    bpf.table4.put(0, Entry4::default());
    bpf.housekeep();
    assert!(bpf.ways.hops.may_hand_out(hop));
}

#[test]
fn root_totals_and_rates_are_those_of_the_daemon_before() {
    let Some(place) = Place::new("totals") else {
        return;
    };
    let mut bpf = place.open();
    configure(&mut bpf);
    // Two servers have counted something; one of them is deleted and its slot given back.
    for (last, packets) in [(1, 7), (2, 1000)] {
        let slot = real_slot(&bpf, last);
        let mut found = bpf.servers.real_servers.read(slot).unwrap();
        found.packets_in = packets;
        bpf.servers.real_servers.write(slot, found);
    }
    let gone = Op::DeleteRealServer {
        virtual_server: id(),
        endpoint: server(1).endpoint,
    };
    apply(&mut bpf, &[gone]);
    bpf.housekeep();
    bpf.sample();
    let before = bpf.virtual_servers().remove(0);
    assert_eq!(before.counters.packets_in, 1007);
    assert!(before.rates.packets_in > 0, "{:?}", before.rates);
    drop(bpf);
    let mut bpf = place.open();
    let after = bpf.virtual_servers().remove(0);
    assert_eq!(after.counters, before.counters);
    // It sinks with the time that nobody took samples in.
    let rates = 1..=before.rates.packets_in;
    assert!(rates.contains(&after.rates.packets_in), "{:?}", after.rates);
    // What was counted before is no burst for the new daemon.
    bpf.sample();
    let later = bpf.virtual_servers().remove(0);
    assert!(later.rates.packets_in <= after.rates.packets_in);
    // And zeroed it is gone, for the next one too.
    apply(&mut bpf, &[Op::Zero { id: None }]);
    drop(bpf);
    let zeroed = place.open().virtual_servers().remove(0);
    assert_eq!(zeroed.counters, xvs_types::Counters::default());
    assert_eq!(zeroed.rates, xvs_types::Rates::default());
}
