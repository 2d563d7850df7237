//! A SYN flood: spoofed SYNs at full rate against a table of the least size, while connections live and
//! others are made.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::ensure;
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use crate::{
    Scale,
    director::{Director, Family, Method, make_links},
    kernel,
    program::{
        frame::{ACK, Order, SYN, Segment},
        tester::Tester,
    },
    row::{Gate, Part, Row},
};

/// Connections that live before the flood.
const OLD: u32 = 4096;
/// Connections that are made in each pause of the flood's measurement.
const NEW: u32 = 64;
/// Spoofed SYNs between a new client's SYN and its next segment: 20 ms of a flood of 2.5 million a second.
const BETWEEN: u32 = 50_000;
/// Room for connections: the least of the product, and what it takes on a host of 2 GiB.
const ROOMS: [u32; 2] = [1 << 16, 1 << 18];
/// The share of new connections that must be made at the first try.
const MADE: f64 = 99.0;

/// Measures it for DR and NAT.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let mut tester = Tester::load()?;
    let mut rows = Vec::new();
    for room in ROOMS {
        for method in [Method::Dr, Method::Nat] {
            rows.extend(flood(&mut tester, scale, method, room)?);
        }
    }
    Ok(Part {
        name: "flood".into(),
        about: format!(
            "{} spoofed SYNs at the rate that one processor takes, between them {OLD} connections that live and {NEW} at a time that are made; \
             {BETWEEN} SYNs of the flood come between a new client's first two segments.",
            scale.spoofed()
        ),
        rows,
        plots: Vec::new(),
        notes: Vec::new(),
    })
}

fn flood(
    tester: &mut Tester,
    scale: &Scale,
    method: Method,
    room: u32,
) -> anyhow::Result<Vec<Row>> {
    let mut director = Director::open(room, Hook::Xdp)?;
    director.serve(Family::V4, method, Scheduler::Rr, 64)?;
    let mut run = |director: &mut Director, segment: Segment, first: u32, count: u32, order| {
        director.keep_alive();
        let target = director.program("xvs_xdp")?;
        let (ifindex, _) = director.clients();
        let flows = if order == Order::Random {
            count.min(OLD)
        } else {
            1 << 24
        };
        let mut plan = segment.plan(flows, order).starting_at(first);
        let run = tester.run(Hook::Xdp, &target, &mut plan, ifindex, count)?;
        anyhow::Ok(f64::from(run.nanoseconds))
    };
    let from = |director: &Director, network: [u8; 4], flags| Segment {
        source: (IpAddr::V4(Ipv4Addr::from(network)), 0),
        ..director.segment(Family::V4, flags)
    };
    let (old, young, spoofed) = ([10, 64, 0, 0], [10, 80, 0, 0], [100, 64, 0, 0]);
    for flags in [SYN, ACK] {
        let segment = from(&director, old, flags);
        run(&mut director, segment, 0, OLD, Order::InOrder)?;
    }
    ensure!(
        director.established(old.into()) == OLD,
        "the connections before the flood are not all established"
    );
    let (mut calm, mut during, mut spoofs) = (Vec::new(), Vec::new(), Vec::new());
    let still = from(&director, old, ACK);
    for _ in 0..scale.rounds {
        calm.push(run(&mut director, still, 0, OLD * 8, Order::Random)?);
    }
    let (mut sent, mut made) = (0, 0);
    while sent < scale.spoofed() {
        let syn = from(&director, young, SYN);
        run(&mut director, syn, made, NEW, Order::InOrder)?;
        let count = BETWEEN.min(scale.spoofed() - sent);
        let spoof = from(&director, spoofed, SYN);
        spoofs.push(run(&mut director, spoof, sent, count, Order::InOrder)?);
        sent += count;
        let ack = from(&director, young, ACK);
        run(&mut director, ack, made, NEW, Order::InOrder)?;
        made += NEW;
        during.push(run(&mut director, still, 0, OLD * 8, Order::Random)?);
    }
    let lost = OLD - director.established(old.into());
    let share = f64::from(director.established(young.into())) / f64::from(made) * 100.0;
    let name = |what: &str| format!("{}, room for {room}: {what}", method.name());
    let evicted = director.count("evicted");
    Ok(vec![
        Row::new(name("established connections lost"), "", &[f64::from(lost)])
            .gated(Gate::at_most("value", f64::from(lost), 0.0)),
        Row::new(name("new connections made, of those begun"), "%", &[share])
            .gated(Gate::at_least("value", share, MADE)),
        Row::new(name("spoofed SYN"), "ns", &spoofs),
        Row::new(
            name("embryonic connections evicted"),
            "",
            &[u32::try_from(evicted).map_or(f64::INFINITY, f64::from)],
        ),
        Row::new(name("packet of an established connection"), "ns", &during)
            .beside("before the flood", Row::new("", "ns", &calm).value.median),
    ])
}
