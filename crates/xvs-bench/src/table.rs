//! The flow table: how fast connections come and go, how much memory each takes, where they stand when the
//! table is full, and what it costs to go over them.

use std::time::Instant;

use anyhow::ensure;
use aya::maps::MapInfo;
use xvs_dataplane::{ConnectionFilter, Dataplane, Hook};
use xvs_types::Scheduler;

use crate::{
    Scale,
    director::{Director, Family, Method, make_links},
    kernel,
    program::{
        frame::{ACK, Order, SYN},
        tester::Tester,
    },
    row::{Gate, Part, Plot, Row},
};

/// Bytes of a connection in the kernel's IPVS (`struct ip_vs_conn` in its slab, and its hash bucket).
const IPVS_BYTES: f64 = 334.0;
/// The most connections that are opened before they are established: the place of one that is not may be
/// taken by another. Few enough for one run to end within the patience of the programs.
const AT_ONCE: u32 = 1 << 17;
/// Maps of a connection over IPv4, and those that are made for IPv6 beside.
const MAPS: [[&str; 3]; 2] = [
    ["flows4", "cold4", "overflow4"],
    ["flows6", "cold6", "overflow6"],
];

/// Measures all of it.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let mut tester = Tester::load()?;
    let mut rows = Vec::new();
    for connections in scale.held() {
        for (method, room, limit) in [
            (Method::Nat, connections, 288.0),
            // One entry each: half the room that NAT needs.
            (Method::Dr, connections / 2, 144.0),
        ] {
            rows.extend(hold(&mut tester, method, connections, room, limit)?);
        }
    }
    rows.extend(overflow(&mut tester, scale)?);
    Ok(Part {
        name: "table".into(),
        about: "Connections that the datapath opens at tcx, then held, counted, listed and ended by the daemon's \
                side, which reads the same memory."
            .to_owned(),
        rows,
        plots: Vec::<Plot>::new(),
        notes: vec![
            "Bytes per connection are those of the maps as the kernel accounts for them; the table is a \
             power of two, so that a number just above one costs twice that of one just below."
                .to_owned(),
        ],
    })
}

/// Opens so many connections and establishes them; then counts, lists and ends them.
fn hold(
    tester: &mut Tester,
    method: Method,
    connections: u32,
    room: u32,
    limit: f64,
) -> anyhow::Result<Vec<Row>> {
    let begun = Instant::now();
    let mut director = Director::open(room, Hook::Xdp)?;
    let made = begun.elapsed().as_secs_f64() * 1e3;
    director.serve(Family::V4, method, Scheduler::Rr, 64)?;
    let name = |what: &str| format!("{} {what}, {connections} connections", method.name());
    let mut rows = vec![Row::new(name("table made"), "ms", &[made])];
    let [opened, established] = fill(tester, &mut director, connections)?;
    let evicted = u32::try_from(director.count("evicted"))?;
    let refused = u32::try_from(director.drops())?;
    let held = connections - evicted - refused;
    rows.push(Row::new(name("opened"), "M/s", &opened));
    rows.push(Row::new(name("established"), "M/s", &established));
    rows.push(Row::new(
        name("evicted before established"),
        "%",
        &[percent(evicted.into(), connections)],
    ));
    rows.push(Row::new(
        name("refused"),
        "%",
        &[percent(refused.into(), connections)],
    ));
    let overflowed = director.count("overflowed");
    rows.push(Row::new(
        name("in overflow"),
        "%",
        &[percent(overflowed, connections)],
    ));
    let [v4, v6] = memory(&director)?.map(|bytes| bytes / f64::from(held));
    rows.push(
        Row::new(name("bytes each, IPv4 maps"), "B", &[v4])
            .beside("IPVS", IPVS_BYTES)
            .gated(Gate::at_most("value", v4, limit)),
    );
    rows.push(Row::new(
        name("bytes each, IPv6 maps made beside"),
        "B",
        &[v6],
    ));
    rows.extend(go_over(&mut director, &name, held)?);
    let begun = Instant::now();
    let ended = director.clear();
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(
        ended == u64::from(held),
        "{ended} of {held} connections were ended"
    );
    rows.push(Row::new(
        name("ended"),
        "M/s",
        &[f64::from(held) / seconds / 1e6],
    ));
    Ok(rows)
}

/// Counting and listing.
fn go_over(
    director: &mut Director,
    name: &dyn Fn(&str) -> String,
    connections: u32,
) -> anyhow::Result<Vec<Row>> {
    let milliseconds = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;
    let mut steps = Vec::new();
    let mut counts = Vec::new();
    // Large tables are gone over in eight steps: after nine each entry has been seen.
    for _ in 0..9 {
        let begun = Instant::now();
        director.dataplane().housekeep();
        steps.push(milliseconds(begun));
        let begun = Instant::now();
        let listed = director.dataplane().virtual_servers();
        counts.push(milliseconds(begun));
        ensure!(
            listed.len() == 1,
            "{} virtual servers are listed",
            listed.len()
        );
    }
    let begun = Instant::now();
    let mut seen: u32 = 0;
    director
        .dataplane()
        .connections(&ConnectionFilter::default(), &mut |_connection| {
            seen += 1;
            true
        });
    let listed = milliseconds(begun);
    ensure!(
        seen == connections,
        "{seen} of {connections} connections are listed"
    );
    let count = Row::new(name("counted by server"), "ms", &counts);
    let most = count.value.median;
    Ok(vec![
        Row::new(name("a step of the sweep"), "ms", &steps),
        count.gated(Gate::at_most("value", most, 100.0)),
        Row::new(name("listed one by one"), "ms", &[listed]),
    ])
}

/// The share of connections in the overflow hash, by how full the table is.
fn overflow(tester: &mut Tester, scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let room = scale.connections * 4;
    let entries = 2.0 * f64::from(room);
    let mut director = Director::open(room, Hook::Xdp)?;
    director.serve(Family::V4, Method::Dr, Scheduler::Rr, 64)?;
    let mut rows = Vec::new();
    for (load, prototype) in [(0.5, 0.35), (0.75, 3.2), (0.9, 7.4)] {
        let before = director.count("overflowed");
        let connections = truncated(entries * load);
        fill(tester, &mut director, connections)?;
        let overflowed = director.count("overflowed") - before;
        director.clear();
        rows.push(
            Row::new(
                format!("in overflow, table {load} full"),
                "%",
                &[percent(overflowed, connections)],
            )
            .beside("prototype", prototype),
        );
    }
    Ok(rows)
}

/// Opens and establishes the connections of `flows` clients; answers the millions a second of each.
fn fill(tester: &mut Tester, director: &mut Director, flows: u32) -> anyhow::Result<[Vec<f64>; 2]> {
    let target = director.program("xvs_tcx")?;
    let (ifindex, _) = director.clients();
    let mut rates = [Vec::new(), Vec::new()];
    let at_once = (flows / 64).clamp(1, AT_ONCE);
    for first in (0..flows).step_by(usize::try_from(at_once)?) {
        let count = (flows - first).min(at_once);
        for (flags, rates) in [SYN, ACK].into_iter().zip(&mut rates) {
            director.keep_alive();
            let segment = director.segment(Family::V4, flags);
            let plan = segment.plan(1 << 24, Order::InOrder);
            let mut plan = plan.starting_at(first);
            let run = tester.run(Hook::Tcx, &target, &mut plan, ifindex, count)?;
            rates.push(1e3 / f64::from(run.nanoseconds.max(1)));
        }
    }
    Ok(rates)
}

/// Bytes of the maps of connections, IPv4 and IPv6.
fn memory(director: &Director) -> anyhow::Result<[f64; 2]> {
    let mut sums = [0.0; 2];
    for (sum, maps) in sums.iter_mut().zip(MAPS) {
        for name in maps {
            let info = MapInfo::from_pin(director.pin(name))?;
            *sum += kernel::memory_of(&info.fd()?)?;
        }
    }
    Ok(sums)
}

fn percent(part: u64, of: u32) -> f64 {
    // Counts far below 2^52.
    u32::try_from(part).map_or(f64::INFINITY, f64::from) / f64::from(of) * 100.0
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of entries, positive and below 2^32"
)]
fn truncated(value: f64) -> u32 {
    value as u32
}
