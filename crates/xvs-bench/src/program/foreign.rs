//! Packets that are not for a virtual server, and the floors.

use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use super::{
    frame::{ACK, Order, Plan, Segment, WHOLE},
    rounds::{self, Floors, Subject},
    tester::Tester,
};
use crate::{
    Scale,
    director::{Director, Family, Method, NEIGHBOUR, PORT},
    row::Row,
};

/// Nanoseconds that a packet which is not ours may cost.
const NOT_OURS: f64 = 20.0;

/// Measures them at both hooks.
pub(super) fn measure(tester: &mut Tester, scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let mut director = Director::open(1 << 16, Hook::Xdp)?;
    for family in [Family::V4, Family::V6] {
        director.serve(family, Method::Nat, Scheduler::Rr, 8)?;
    }
    let (ifindex, mac) = director.clients();
    let segment = |family: Family, destination, port| {
        Segment {
            macs: [mac, NEIGHBOUR],
            source: (family.client(), 0),
            destination: (destination, port),
            flags: ACK,
            fragment: WHOLE,
        }
        .plan(1024, Order::Random)
        .to_link(ifindex)
    };
    let (v4, v6) = (Family::V4, Family::V6);
    let elsewhere = segment(v4, v4.director(), 22);
    let mut subjects = Floors::subjects(tester, elsewhere)?;
    for (name, hook, program, answer) in [
        (
            "XDP, link-layer addresses swapped and sent back",
            Hook::Xdp,
            "floor_xdp_swap",
            3,
        ),
        (
            "XDP, plain redirect",
            Hook::Xdp,
            "floor_xdp_redirect",
            rounds::redirected(Hook::Xdp),
        ),
        (
            "tcx, plain redirect",
            Hook::Tcx,
            "floor_tcx_redirect",
            rounds::redirected(Hook::Tcx),
        ),
    ] {
        subjects.push(Subject {
            name: name.to_owned(),
            hook,
            target: tester.target(program)?,
            plan: elsewhere,
            answer,
            floor: Floors::of(hook),
            limit: None,
        });
    }
    let packets: [(&str, Plan, Option<f64>); 6] = [
        ("IPv4 to another address", elsewhere, Some(NOT_OURS)),
        (
            "IPv6 to another address",
            segment(v6, v6.director(), 22),
            Some(NOT_OURS),
        ),
        ("ARP", Plan::fixed(&arp(mac)), Some(NOT_OURS)),
        (
            "IPv4 to the VIP, a port without virtual server",
            segment(v4, v4.vip(), 22),
            None,
        ),
        (
            "IPv4 to a virtual server, no connection, not a SYN",
            segment(v4, v4.vip(), PORT),
            None,
        ),
        (
            "ICMP echo request to the VIP",
            Plan::fixed(&echo(mac)),
            None,
        ),
    ];
    for (name, plan, limit) in packets {
        for hook in [Hook::Xdp, Hook::Tcx] {
            subjects.push(Subject {
                name: format!("{name}, {hook}"),
                hook,
                target: director.program(if hook == Hook::Tcx {
                    "xvs_tcx"
                } else {
                    "xvs_xdp"
                })?,
                plan,
                answer: rounds::passed(hook),
                floor: Floors::of(hook),
                limit,
            });
        }
    }
    let times = rounds::run(
        tester,
        &mut director,
        &mut subjects,
        scale.rounds,
        scale.repeat,
    )?;
    Ok(rounds::rows(&subjects, &times))
}

fn arp(mac: [u8; 6]) -> Vec<u8> {
    let mut frame = [mac, NEIGHBOUR].concat();
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.resize(60, 0);
    frame
}

fn echo(mac: [u8; 6]) -> Vec<u8> {
    let mut frame = [mac, NEIGHBOUR].concat();
    frame.extend([
        0x08, 0x00, 0x45, 0, 0, 66, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 64, 0, 1, 10, 200, 0, 1,
    ]);
    frame.extend([8, 0, 0, 0, 0, 1, 0, 1]);
    frame
}
