//! What a change costs: values of maps that are looked at or written. The tests hold the costs to what
//! changes, whatever stands in the tables beside it.

use std::{cell::Cell, net::IpAddr};

use xvs_types::{
    Endpoint, Op, RealServer, ServerScope, VirtualServer, VirtualServerId, VirtualServerListing,
    Weight,
};

use super::{Bpf, adoption::tests::Place};
use crate::{Atomicity, Dataplane, NeighbourKey, Route};

thread_local! {
    static TOUCHED: Cell<u64> = const { Cell::new(0) };
}

/// Notes that a value of a map is looked at or written.
pub(super) fn note() {
    TOUCHED.set(TOUCHED.get() + 1);
}

/// How many values `work` touches.
fn effort<T>(work: impl FnOnce() -> T) -> u64 {
    let before = TOUCHED.get();
    work();
    TOUCHED.get() - before
}

/// Real servers of each virtual server.
const EACH: u32 = 10;

fn id(number: u32) -> VirtualServerId {
    let vip = IpAddr::from([10, 1, low(number >> 8), low(number)]);
    VirtualServerId::tcp(Endpoint::new(vip, 80))
}

fn real_server(number: u32, place: u32) -> RealServer {
    let address = IpAddr::from([10, 2, low(number % 50), low(place)]);
    RealServer::new(Endpoint::new(address, 80))
}

fn low(number: u32) -> u8 {
    u8::try_from(number & 0xff).unwrap()
}

fn apply(bpf: &mut Bpf, ops: &[Op]) {
    for result in bpf.apply(ops, Atomicity::OneByOne) {
        result.unwrap();
    }
}

fn rules(number: u32) -> Vec<Op> {
    let add = Op::AddVirtualServer {
        virtual_server: VirtualServer::new(id(number)),
    };
    let real_servers = (0..EACH).map(|place| Op::AddRealServer {
        virtual_server: id(number),
        real_server: real_server(number, place),
    });
    std::iter::once(add).chain(real_servers).collect()
}

fn lead(bpf: &mut Bpf, destination: IpAddr, gateway: u8) {
    let route = Route {
        ifindex: 1,
        gateway: Some([10, 9, 9, gateway].into()),
        source: None,
        mtu: 1500,
        local: false,
    };
    bpf.set_route(destination, Some(route));
}

/// A dataplane with so many virtual servers, of which all is settled.
fn at_rest(place: &Place, virtual_servers: u32) -> Bpf {
    let mut bpf = place.open();
    let ops: Vec<Op> = (0..virtual_servers).flat_map(rules).collect();
    apply(&mut bpf, &ops);
    for destination in bpf.destinations() {
        lead(&mut bpf, destination, 1);
    }
    let _known: Vec<NeighbourKey> = bpf.neighbours();
    for _second in 0..3 {
        bpf.last_sample = None;
        bpf.housekeep();
    }
    bpf
}

fn list(bpf: &mut Bpf, only: Option<VirtualServerId>) -> Vec<VirtualServerListing> {
    bpf.list(&ServerScope {
        only,
        counters: false,
    })
}

/// What each kind of work costs.
struct Costs {
    /// A second in which nothing happens.
    second: u64,
    /// Work for one thing, by name.
    changes: Vec<(&'static str, u64)>,
    /// Clearing.
    clear: u64,
}

/// The costs with so many virtual servers; none where it cannot be tried.
fn costs(virtual_servers: u32) -> Option<Costs> {
    let place = Place::new(&format!("effort-{virtual_servers}"))?;
    let mut bpf = at_rest(&place, virtual_servers);
    bpf.last_sample = None;
    let second = effort(|| bpf.housekeep());
    let new = VirtualServer::new(id(60_000));
    let add = Op::AddVirtualServer {
        virtual_server: new,
    };
    let edit = Op::EditRealServer {
        virtual_server: id(1),
        real_server: RealServer {
            weight: Weight::new(7).unwrap(),
            ..real_server(1, 1)
        },
    };
    let far = IpAddr::from([10, 3, 0, 1]);
    let new_address = Op::AddRealServer {
        virtual_server: id(1),
        real_server: RealServer::new(Endpoint::new(far, 80)),
    };
    let delete = Op::DeleteVirtualServer { id: id(2) };
    let changes = vec![
        ("poll", effort(|| bpf.neighbours_changed())),
        ("list one", effort(|| list(&mut bpf, Some(id(1))))),
        ("add", effort(|| apply(&mut bpf, &[add]))),
        ("edit", effort(|| apply(&mut bpf, &[edit]))),
        ("add real", effort(|| apply(&mut bpf, &[new_address]))),
        ("route", effort(|| lead(&mut bpf, far, 2))),
        ("delete", effort(|| apply(&mut bpf, &[delete]))),
    ];
    let clear = effort(|| apply(&mut bpf, &[Op::Flush]));
    bpf.housekeep();
    assert_eq!(bpf.servers.real_slots().count(), 0);
    assert_eq!(list(&mut bpf, None), []);
    Some(Costs {
        second,
        changes,
        clear,
    })
}

#[test]
fn root_work_is_done_for_what_changes_and_not_for_the_table() {
    let (Some(small), Some(large)) = (costs(30), costs(300)) else {
        return;
    };
    let more = u64::from(270 * EACH);
    // A second costs a look at each real server, for the rates; clearing, a few.
    assert!(
        large.second <= small.second + more,
        "{} and {}",
        small.second,
        large.second
    );
    assert!(
        large.clear <= small.clear + 6 * more,
        "{} and {}",
        small.clear,
        large.clear
    );
    for ((what, small), (_, large)) in small.changes.into_iter().zip(large.changes) {
        assert!(large <= small + 8, "{what}: {small}, then {large}");
        assert!(small < 400, "{what}: {small}");
    }
}
