//! Packets of established connections: each method, hook and family, by the number of flows.

use anyhow::ensure;
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use super::{
    frame::{ACK, FIRST, LAST, Order, Plan, SYN, Segment},
    rounds::{self, Floors, Subject},
    tester::Tester,
};
use crate::{
    Scale,
    director::{Director, Family, Method},
    row::{Plot, Row},
};

/// Real servers behind the virtual server.
const SERVERS: u32 = 8;
/// The least room that the product's table has.
const LEAST_ROOM: u32 = 1 << 16;

/// What was measured.
pub(crate) struct Established {
    /// The rows.
    pub(crate) rows: Vec<Row>,
    /// Cost over flows.
    pub(crate) plots: Vec<Plot>,
}

/// Measures established connections, a table of its own for each number of flows.
pub(super) fn measure(tester: &mut Tester, scale: &Scale) -> anyhow::Result<Established> {
    let mut rows = Vec::new();
    for family in [Family::V4, Family::V6] {
        for flows in scale.flows(family == Family::V6) {
            rows.extend(of_size(tester, scale, family, flows)?);
        }
    }
    let (rows, points): (Vec<Row>, Vec<Point>) = rows.into_iter().unzip();
    Ok(Established {
        rows,
        plots: vec![
            plot("IPv4, over the floor", &points, Family::V4),
            plot("IPv6, over the floor", &points, Family::V6),
        ],
    })
}

/// Where a row stands in the plot: the line, and the flows, if it is of a method.
type Point = Option<(Family, String, u32, f64)>;

fn plot(title: &str, points: &[Point], family: Family) -> Plot {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (of, name, flows, net) in points.iter().flatten() {
        if *of != family {
            continue;
        }
        let point = (f64::from(*flows), *net);
        match lines.iter_mut().find(|(line, _)| line == name) {
            Some((_, points)) => points.push(point),
            None => lines.push((name.clone(), vec![point])),
        }
    }
    Plot {
        title: format!("Established connections, {title}"),
        x: "flows".into(),
        y: "ns".into(),
        lines,
    }
}

fn of_size(
    tester: &mut Tester,
    scale: &Scale,
    family: Family,
    flows: u32,
) -> anyhow::Result<Vec<(Row, Point)>> {
    // Twice the room: the table of NAT is then half full. IPv6 has a quarter of the room.
    let room = match family {
        Family::V4 => flows * 2,
        Family::V6 => flows * 8,
    };
    let mut director = Director::open(room.max(LEAST_ROOM), Hook::Xdp)?;
    // As large as the table.
    let memory = Tester::with_memory(director.lines(family)? / 2)?;
    let alone = format!(
        "{}, memory of a flow alone, {}",
        name(family),
        counted(flows)
    );
    let mut rows = Vec::new();
    for method in Method::ALL {
        let (flow, repeat) = (packets(&director, family, flows), scale.repeat);
        director.serve(family, method, Scheduler::Rr, SERVERS)?;
        open(tester, &mut director, method, &flow, flows)?;
        let mut subjects = Floors::subjects(tester, flow.established)?;
        let floors = subjects.len();
        if method == Method::Nat {
            subjects.push(Subject {
                name: alone.clone(),
                hook: Hook::Xdp,
                target: memory.target("floor_xdp_line")?,
                plan: flow.established,
                answer: rounds::passed(Hook::Xdp),
                floor: Floors::XDP,
                limit: None,
            });
        }
        let opened = director.count("opened");
        for hook in [Hook::Xdp, Hook::Tcx] {
            if hook == Hook::Tcx && method == Method::Tun {
                continue;
            }
            subjects.push(Subject {
                name: format!(
                    "{} {} {hook}, {}",
                    name(family),
                    method.name(),
                    counted(flows)
                ),
                hook,
                target: director.program(entry(hook))?,
                plan: flow.established,
                answer: rounds::redirected(hook),
                floor: match (method, hook, family) {
                    (Method::Tun, _, Family::V4) => Floors::GROW4,
                    (Method::Tun, _, Family::V6) => Floors::GROW6,
                    _ => Floors::of(hook),
                },
                limit: limit(family, method, hook, flows),
            });
        }
        let drops = director.drops();
        let times = rounds::run(tester, &mut director, &mut subjects, scale.rounds, repeat)?;
        ensure!(
            director.count("opened") == opened && director.drops() == drops,
            "connections were opened or packets dropped while established ones were measured"
        );
        let measured = rounds::rows(&subjects, &times);
        // The floors of each size stand in the table once.
        let skip = if method == Method::Nat { 0 } else { floors };
        for (subject, row) in subjects.iter().zip(measured).skip(skip) {
            let line = if subject.name == alone {
                "memory alone".to_owned()
            } else {
                format!("{} {}", method.name(), subject.hook)
            };
            let point = row.net.map(|net| (family, line, flows, net.median));
            let row = if point.is_some() {
                row
            } else {
                Row {
                    name: format!("{} ({} flows to make)", row.name, counted(flows)),
                    ..row
                }
            };
            rows.push((row, point));
        }
        if family == Family::V4 && method == Method::Nat && (2..=1024).contains(&flows) {
            let fragments = fragments(tester, scale, &mut director, flows)?;
            rows.extend(fragments.into_iter().map(|row| (row, None)));
        }
        director.clear();
    }
    Ok(rows)
}

/// Measures fragments of established connections of NAT: those with ports, then those behind, which go by
/// what the first left.
fn fragments(
    tester: &mut Tester,
    scale: &Scale,
    director: &mut Director,
    flows: u32,
) -> anyhow::Result<Vec<Row>> {
    let plan = |fragment: u16| -> Plan {
        Segment {
            fragment,
            ..director.segment(Family::V4, ACK)
        }
        .plan(flows, Order::InOrder)
    };
    let mut subjects = Floors::subjects(tester, plan(FIRST))?;
    let floors = subjects.len();
    for (name, fragment) in [("first fragment", FIRST), ("last fragment", LAST)] {
        for hook in [Hook::Xdp, Hook::Tcx] {
            subjects.push(Subject {
                name: format!("IPv4 NAT {hook}, {name}, {}", counted(flows)),
                hook,
                target: director.program(entry(hook))?,
                plan: plan(fragment),
                answer: rounds::redirected(hook),
                floor: Floors::of(hook),
                limit: None,
            });
        }
    }
    let times = rounds::run(tester, director, &mut subjects, scale.rounds, scale.repeat)?;
    let rows = rounds::rows(&subjects, &times);
    Ok(rows.into_iter().skip(floors).collect())
}

/// The program that packets come to first.
fn entry(hook: Hook) -> &'static str {
    if hook == Hook::Tcx {
        "xvs_tcx"
    } else {
        "xvs_xdp"
    }
}

/// The gate, where the issue sets one.
fn limit(family: Family, method: Method, hook: Hook, flows: u32) -> Option<f64> {
    if method == Method::Fullnat {
        return None;
    }
    let v6 = if family == Family::V6 { 1.4 } else { 1.0 };
    match (hook, flows) {
        (Hook::Xdp, 1..=1024) => Some(35.0 * v6),
        (Hook::Xdp, 1_048_576) => Some(210.0 * v6),
        (Hook::Tcx, 1..=1024) if method == Method::Nat => Some(90.0 * v6),
        (Hook::Tcx, 1..=1024) => Some(35.0 * v6),
        _ => None,
    }
}

/// Plans for the flows of a measurement.
struct Packets {
    syn: Plan,
    ack: Plan,
    established: Plan,
}

fn packets(director: &Director, family: Family, flows: u32) -> Packets {
    let segment = |flags| director.segment(family, flags);
    Packets {
        syn: segment(SYN).plan(flows, Order::InOrder),
        ack: segment(ACK).plan(flows, Order::InOrder),
        established: segment(ACK).plan(flows, Order::Random),
    }
}

/// Opens the flows and has the clients answer, so that all are established.
fn open(
    tester: &mut Tester,
    director: &mut Director,
    method: Method,
    packets: &Packets,
    flows: u32,
) -> anyhow::Result<()> {
    /// As many as are opened well within the patience of the programs.
    const AT_ONCE: u32 = 1 << 17;
    // At tcx, where a run begins at once: at XDP each waits for every processor of the host. But there a
    // packet can be put into a tunnel once, and the run has only one.
    let (hook, program) = if method == Method::Tun {
        (Hook::Xdp, "xvs_xdp")
    } else {
        (Hook::Tcx, "xvs_tcx")
    };
    let target = director.program(program)?;
    let (ifindex, _) = director.clients();
    let before = director.count("opened");
    for mut plan in [packets.syn, packets.ack] {
        let mut left = flows;
        while left > 0 {
            director.keep_alive();
            let now = left.min(AT_ONCE);
            tester.run(hook, &target, &mut plan, ifindex, now)?;
            left -= now;
        }
    }
    let opened = director.count("opened") - before;
    ensure!(
        opened == u64::from(flows),
        "{opened} of {flows} connections were opened",
    );
    Ok(())
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// A number of flows as it stands in the table.
fn counted(flows: u32) -> String {
    match flows {
        0..1024 => flows.to_string(),
        1024..1_048_576 => format!("{} K", flows >> 10),
        _ => format!("{} M", flows >> 20),
    }
}
